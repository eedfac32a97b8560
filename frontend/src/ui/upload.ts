/** Ways to give a photo: choose, drop, paste, shoot. */

import { t } from "./words";

const TYPES = /^image\//;
const MOST = 25 * 1024 * 1024; // bytes; the server refuses more
const MOST_PHOTOS = 6;

/** What is wrong with the files, in a sentence; null where nothing is. */
export function complaint(files: File[]): string | null {
  if (files.length > MOST_PHOTOS) return t("Choose at most %(n)s photos, all of the same object.", { n: MOST_PHOTOS });
  for (const file of files) {
    const { name } = file;
    if (!file.size) return t("%(name)s is empty. Choose the photo again.", { name });
    if (file.size > MOST) return t("%(name)s has %(size)s MB. Photos may have 25 MB.", { name, size: Math.round(file.size / 2 ** 20) });
    if (file.type && !TYPES.test(file.type)) return t("%(name)s is not a photo. Choose a JPEG, PNG, WebP or HEIC.", { name });
  }
  return null;
}

/** Calls give(files) with what was chosen, dropped or pasted; say(sentence) with what was wrong. */
export function listenForPhotos(
  zone: HTMLElement,
  inputs: HTMLInputElement[],
  give: (files: File[]) => void,
  say: (text: string) => void,
): void {
  const take = (files: File[]): void => {
    if (!files.length) return;
    const problem = complaint(files);
    if (problem) say(problem);
    else give(files);
  };
  for (const input of inputs) {
    input.addEventListener("change", () => {
      take([...(input.files ?? [])]);
      input.value = "";
    });
  }
  let depth = 0;
  const mark = (by: number): void => {
    depth = Math.max(0, depth + by);
    zone.classList.toggle("is-over", depth > 0);
  };
  document.addEventListener("dragenter", (event) => {
    event.preventDefault();
    mark(1);
  });
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length) take(files);
    else say(t("That was not a file. Drop a photo from your computer, or save the picture first."));
  });
  document.addEventListener("paste", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type !== "file" && !event.clipboardData?.files.length) return;
    const files = [...(event.clipboardData?.files ?? [])];
    const text = event.clipboardData?.getData("text/plain").trim() ?? "";
    if (files.length) take(files);
    else if (/^https?:\/\//.test(text)) {
      say(t("That is an address, not a picture. Open it, copy the picture itself, and paste again."));
    }
  });
}
