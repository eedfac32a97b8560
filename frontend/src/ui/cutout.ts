/** The object cut out of its photo, along the outline that was found. */

import type { Box, Photo } from "../api/types";

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 1 / 20; // of the longer side, left around it
let count = 0;

/** The part of the photo that holds all rings, square, so that pictures beside each other are of one size. */
export function framed(rings: Photo["outline"]): Box {
  const xs = rings.flat().map(([x]) => x);
  const ys = rings.flat().map(([, y]) => y);
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const half = (0.5 + MARGIN) * Math.max(x1 - x0, y1 - y0);
  const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
  return [x - half, y - half, x + half, y + half];
}

/** The rings as an SVG path. */
export function pathOf(rings: Photo["outline"]): string {
  return rings.map((ring) => `M${ring.map(([x, y]) => `${x} ${y}`).join("L")}Z`).join("");
}

/** A picture of the object alone; null where the photo has no outline. */
export function cutout(photo: Photo, label: string): SVGSVGElement | null {
  if (!photo.url || !photo.outline.length) return null;
  const [x0, y0, x1, y1] = framed(photo.outline);
  const make = <K extends keyof SVGElementTagNameMap>(name: K, values: Record<string, string>): SVGElementTagNameMap[K] => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    return made;
  };
  const id = `cut-${++count}`;
  const picture = make("svg", { viewBox: `${x0} ${y0} ${x1 - x0} ${y1 - y0}`, role: "img", "aria-label": label });
  const clip = make("clipPath", { id });
  clip.append(make("path", { d: pathOf(photo.outline), "clip-rule": "evenodd" }));
  const size = { width: String(photo.width), height: String(photo.height) };
  picture.append(clip, make("image", { href: photo.url, ...size, "clip-path": `url(#${id})` }));
  return picture;
}
