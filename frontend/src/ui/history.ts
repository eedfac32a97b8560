/** The last searches of this browser, kept in it alone. */

const KEY = "shapelens-searches";
const MOST = 12;
const SIDE = 120; // pixels of a kept picture

export interface Past {
  id: string;
  name: string;
  picture: string;
}

export function past(): Past[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? (kept as Past[]).filter((one) => one?.id && typeof one.picture === "string") : [];
  } catch {
    return [];
  }
}

/** Newest first; a search that is there already moves up. */
export function remember(one: Past): void {
  write([one, ...past().filter((other) => other.id !== one.id)].slice(0, MOST));
}

/** One search, or all. */
export function forget(id?: string): void {
  write(id ? past().filter((one) => one.id !== id) : []);
}

function write(all: Past[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(all));
  } catch {
    // full or switched off: the page works without
  }
}

/** A small picture of a photo, as an address that holds it; "" where it can't be drawn. */
export function pictureOf(image: HTMLImageElement): string {
  const scale = SIDE / Math.max(1, image.naturalWidth, image.naturalHeight);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const context = canvas.getContext("2d");
  if (!context) return "";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.7);
}
