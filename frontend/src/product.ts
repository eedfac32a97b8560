/** The product page: its model, to be turned. */

const canvas = document.querySelector<HTMLCanvasElement>("canvas[data-glb]");
const note = document.getElementById("viewer-note");

async function show(): Promise<void> {
  if (!canvas) return;
  try {
    const { showTurntable } = await import("./viewer/turntable");
    await showTurntable(canvas, canvas.dataset["glb"] ?? "");
    if (note) note.hidden = true;
  } catch {
    if (note) note.textContent = "The 3D model can't be shown here; the pictures below show it from all sides.";
  }
}

void show();
