/** A shared result: one model over one photo. */

import type { Pose } from "./api/types";

const canvas = document.getElementById("overlay") as HTMLCanvasElement;
const stage = document.getElementById("stage")!;
const data = JSON.parse(document.getElementById("share-data")!.textContent!) as { pose: Pose | null; glb_url: string };

const { width, height } = stage.dataset;
stage.style.aspectRatio = `${width} / ${height}`;
stage.style.setProperty("--aspect", String(Number(width) / Number(height)));

async function show(): Promise<void> {
  if (!data.pose) return;
  const { Overlay } = await import("./viewer/overlay");
  await new Overlay(canvas).show(data.glb_url, data.pose.camera);
  canvas.dataset["model"] = "shown";
}

show().catch(() => canvas.remove()); // without WebGL the photo and the product's link remain
