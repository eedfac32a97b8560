/** The product page: its model, to be turned; its dimensions; what looks like it. */

import { ApiError, submitPhotos } from "./api/client";
import { t } from "./ui/words";

const canvas = document.querySelector<HTMLCanvasElement>("canvas[data-glb]");
const still = document.querySelector<HTMLElement>(".still");
const note = document.getElementById("viewer-note");
const labels = document.getElementById("sizes");
const sizes = document.querySelector<HTMLInputElement>("#show-sizes");

async function show(): Promise<void> {
  if (!canvas) return;
  try {
    const { Turntable } = await import("./viewer/turntable");
    const table = await Turntable.open(canvas, canvas.dataset["glb"] ?? "");
    if (still) still.hidden = true;
    sizes?.addEventListener("change", () => table.showSizes(labels!, sizes.checked));
  } catch {
    // the still picture stays
    canvas.hidden = true;
    if (note) {
      note.hidden = false;
      note.textContent = t("The 3D model can't be shown here; the pictures show it from all sides.");
    }
    sizes?.closest("label")?.remove();
  }
}

const alike = document.querySelector<HTMLButtonElement>("#look-alike");
alike?.addEventListener("click", async () => {
  alike.disabled = true;
  try {
    const picture = await (await fetch(alike.dataset["picture"]!)).blob();
    location.href = (await submitPhotos([new File([picture], "product.jpg", { type: "image/jpeg" })], "")).url;
  } catch (error) {
    alike.disabled = false;
    tell(error instanceof ApiError ? error.message : t("The server can't be reached. Check the connection and try again."));
  }
});

const code = document.querySelector<HTMLTextAreaElement>("#embed-code");
code?.addEventListener("focus", () => code.select());

let made: string | null = null;

/** Safari opens a link marked "ar" in the room only where its first child is a picture. */
async function openInRoom(url: string): Promise<void> {
  const { usdzOf } = await import("./viewer/usdz");
  made ??= URL.createObjectURL(await usdzOf(url));
  const link = document.createElement("a");
  link.rel = "ar";
  link.href = made;
  link.download = "model.usdz";
  link.append(document.createElement("img"));
  link.click();
}

function tell(text: string): void {
  const said = document.getElementById("said");
  if (!said) return;
  said.hidden = false;
  said.textContent = text;
}

/** iPhones take USDZ, made here from the GLB; Android's viewer takes the GLB itself. */
const ar = document.querySelector<HTMLAnchorElement>("#ar");
if (ar) {
  const glb = ar.dataset["glb"]!;
  if (document.createElement("a").relList.supports?.("ar")) {
    ar.hidden = false;
    ar.href = glb; // a link without one is none to a keyboard
    ar.addEventListener("click", (event) => {
      event.preventDefault();
      openInRoom(canvas?.dataset["glb"] ?? glb).catch(() => tell(t("The 3D model could not be loaded. Choose it again to retry.")));
    });
  } else if (/android/i.test(navigator.userAgent)) {
    ar.hidden = false;
    const title = encodeURIComponent(ar.dataset["name"] ?? "");
    const file = encodeURIComponent(glb);
    ar.href = `intent://arvr.google.com/scene-viewer/1.0?file=${file}&mode=ar_preferred&title=${title}#Intent;scheme=https;package=com.google.ar.core;action=android.intent.action.VIEW;end;`;
  }
}

void show();
