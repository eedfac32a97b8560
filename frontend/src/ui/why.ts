/** Where photo and view agree: each cell's part of the score, laid over both. */

import type { Agreement, Box, Photo } from "../api/types";

const MARGIN = 1 / 16; // of a box's side, added on each side of a crop

/** The crop that is compared: the box and its margin. */
export function cropOf([x0, y0, x1, y1]: Box): Box {
  const [dx, dy] = [(x1 - x0) * MARGIN, (y1 - y0) * MARGIN];
  return [x0 - dx, y0 - dy, x1 + dx, y1 + dy];
}

/** The photo's crop, behind the cells. */
export function showCrop(place: HTMLElement, photo: Photo, box: Box): void {
  const [x0, y0, x1, y1] = cropOf(box);
  const [width, height] = [x1 - x0, y1 - y0];
  const image = document.createElement("img");
  image.src = photo.url ?? "";
  image.alt = "";
  Object.assign(image.style, {
    width: `${(100 * photo.width) / width}%`,
    height: `${(100 * photo.height) / height}%`,
    left: `${(-100 * x0) / width}%`,
    top: `${(-100 * y0) / height}%`,
  });
  place.style.aspectRatio = `${width} / ${height}`;
  place.replaceChildren(image);
}

export function showView(place: HTMLElement, address: string, box: Box): void {
  const image = document.createElement("img");
  image.src = address;
  image.alt = "";
  Object.assign(image.style, { width: "100%", height: "100%" });
  place.style.aspectRatio = `${box[2] - box[0]} / ${box[3] - box[1]}`;
  place.replaceChildren(image);
}

/** Cells over a picture, moved by whole cells: in the photo they lie where the view's best fit them. */
export function addCells(place: HTMLElement, found: Agreement, down: number, right: number): void {
  const rows = found.values.length;
  const columns = found.values[0]?.length ?? 0;
  const most = Math.max(1e-6, ...found.values.flat());
  found.values.forEach((values, row) =>
    values.forEach((value, column) => {
      if (value === 0) return;
      const cell = document.createElement("span");
      cell.dataset["value"] = String(value);
      cell.title = value.toFixed(4);
      Object.assign(cell.style, {
        left: `${(100 * (column + right)) / columns}%`,
        top: `${(100 * (row + down)) / rows}%`,
        width: `${100 / columns}%`,
        height: `${100 / rows}%`,
        background: value > 0 ? `rgb(72 232 208 / ${Math.round(62 * (value / most))}%)` : "rgb(8 10 12 / 62%)",
      });
      place.append(cell);
    }),
  );
}
