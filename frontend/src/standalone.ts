/** A match as a page of its own: photo and model are in the page, no server is asked. */

import { Overlay } from "./viewer/overlay";
import type { PinholeCamera } from "./viewer/camera";

interface Match {
  glb: string;
  camera: PinholeCamera;
}

async function show(): Promise<void> {
  const { glb, camera } = JSON.parse(document.getElementById("match")?.textContent ?? "{}") as Match;
  const canvas = document.querySelector("canvas");
  const note = document.getElementById("note");
  if (!canvas || !note) return;
  try {
    const overlay = new Overlay(canvas);
    await overlay.show(glb, camera);
    canvas.dataset["model"] = "1";
    note.textContent = "Drag to turn the model; Escape brings it back.";
    document.getElementById("opacity")?.addEventListener("input", (event) => {
      canvas.style.opacity = String(Number((event.target as HTMLInputElement).value) / 100);
    });
    document.getElementById("back")?.addEventListener("click", () => overlay.snapBack());
  } catch {
    note.textContent = "The 3D model can't be shown in this browser.";
  }
}

void show();
