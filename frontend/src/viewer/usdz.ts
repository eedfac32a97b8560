/** A model as USDZ, which iPhones put into a room. */

import { USDZExporter } from "three/addons/exporters/USDZExporter.js";
import { loadModel } from "./model";

export async function usdzOf(url: string): Promise<Blob> {
  const data = await new USDZExporter().parseAsync(await loadModel(url));
  return new Blob([data as BlobPart], { type: "model/vnd.usdz+zip" });
}
