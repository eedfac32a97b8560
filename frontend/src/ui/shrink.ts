/** Photos made smaller before they are sent: the server looks at no more than LONGEST pixels anyway. */

const LONGEST = 2048; // pixels; what the server reduces photos to
const SMALL = 1_500_000; // bytes; a lighter file is sent as it is
const QUALITY = 0.9;
const FOCAL_35MM = 0xa405; // EXIF FocalLengthIn35mmFilm
const EXIF_IFD = 0x8769;

/** A JPEG, upright, or the file itself where it is small already or this browser can't read it (HEIC). */
export async function shrunk(file: File): Promise<File> {
  if (file.size < SMALL || typeof createImageBitmap !== "function") return file;
  let picture: ImageBitmap;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return file;
  }
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(picture.width * scale);
  canvas.height = Math.round(picture.height * scale);
  const context = canvas.getContext("2d");
  if (!context) return file;
  context.fillStyle = "#fff"; // behind what is transparent, as the server does
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const made = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  if (!made || made.size >= file.size) return file;
  const focal = readFocal(await file.slice(0, 256 * 1024).arrayBuffer());
  const bytes = new Uint8Array(await made.arrayBuffer());
  const name = file.name.replace(/\.\w+$/, "") + ".jpg";
  return new File([focal ? (withFocal(bytes, focal) as BlobPart) : bytes], name, { type: "image/jpeg" });
}

/** The 35 mm focal length a JPEG's EXIF tells; null where it doesn't. The overlay's perspective needs it. */
export function readFocal(data: ArrayBuffer): number | null {
  try {
    const view = new DataView(data);
    if (view.getUint16(0) !== 0xffd8) return null;
    for (let at = 2; at + 4 < view.byteLength; at += 2 + view.getUint16(at + 2)) {
      const marker = view.getUint16(at);
      if (marker === 0xffda || marker >> 8 !== 0xff) return null;
      if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966) return focalOfTiff(view, at + 10);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a header that is cut off
  }
  return null;
}

function focalOfTiff(view: DataView, start: number): number | null {
  const little = view.getUint16(start) === 0x4949;
  const find = (directory: number, tag: number): number | null => {
    const count = view.getUint16(directory, little);
    for (let i = 0; i < count; i++) {
      const entry = directory + 2 + 12 * i;
      if (view.getUint16(entry, little) === tag) return entry + 8;
    }
    return null;
  };
  const pointer = find(start + view.getUint32(start + 4, little), EXIF_IFD);
  if (pointer === null) return null;
  const value = find(start + view.getUint32(pointer, little), FOCAL_35MM);
  return value === null ? null : view.getUint16(value, little) || null;
}

/** The JPEG with an EXIF that holds nothing but the focal length: no place, no name, no time. */
export function withFocal(jpeg: Uint8Array, focal: number): Uint8Array {
  const exif = new DataView(new ArrayBuffer(58));
  [0xffe1, 56, 0x4578, 0x6966, 0x0000, 0x4d4d, 0x002a].forEach((word, i) => exif.setUint16(2 * i, word));
  exif.setUint32(14, 8); // the first directory, from the TIFF header at 10
  exif.setUint16(18, 1);
  entry(exif, 20, EXIF_IFD, 4);
  exif.setUint32(28, 26);
  exif.setUint16(36, 1);
  entry(exif, 38, FOCAL_35MM, 3);
  exif.setUint16(46, focal);
  const made = new Uint8Array(jpeg.length + 58);
  made.set(jpeg.subarray(0, 2));
  made.set(new Uint8Array(exif.buffer), 2);
  made.set(jpeg.subarray(2), 60);
  return made;
}

function entry(view: DataView, at: number, tag: number, kind: number): void {
  view.setUint16(at, tag);
  view.setUint16(at + 2, kind);
  view.setUint32(at + 4, 1);
}
