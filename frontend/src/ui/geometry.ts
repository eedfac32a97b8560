/** Boxes as a hand moves them; all in pixels of the stored photo. */

import type { Box } from "../api/types";

/** Places in a box, as shares of its sides, the first the best. */
const WITHIN: [number, number][] = [[0.5, 0.5], [0.5, 0.8], [0.5, 0.2], [0.8, 0.5], [0.2, 0.5]];

export type Handle = "n" | "s" | "e" | "w" | "ne" | "nw" | "se" | "sw" | "move";

/** The box with a handle moved by (dx, dy), inside the photo, no smaller than `least`. */
export function dragged(box: Box, handle: Handle, dx: number, dy: number, width: number, height: number, least: number): Box {
  let [x0, y0, x1, y1] = box;
  if (handle === "move") {
    const mx = clamp(dx, -x0, width - x1);
    const my = clamp(dy, -y0, height - y1);
    return [x0 + mx, y0 + my, x1 + mx, y1 + my];
  }
  if (handle.includes("w")) x0 = clamp(x0 + dx, 0, x1 - least);
  if (handle.includes("e")) x1 = clamp(x1 + dx, x0 + least, width);
  if (handle.includes("n")) y0 = clamp(y0 + dy, 0, y1 - least);
  if (handle.includes("s")) y1 = clamp(y1 + dy, y0 + least, height);
  return [x0, y0, x1, y1];
}

/** A box drawn from one corner to another, inside the photo. */
export function spanned(ax: number, ay: number, bx: number, by: number, width: number, height: number): Box {
  return [
    clamp(Math.min(ax, bx), 0, width),
    clamp(Math.min(ay, by), 0, height),
    clamp(Math.max(ax, bx), 0, width),
    clamp(Math.max(ay, by), 0, height),
  ];
}

/** In pixels of a photo of another size. */
export function scaled(box: Box, across: number, down: number): Box {
  return [box[0] * across, box[1] * down, box[2] * across, box[3] * down];
}

/** A point in each box, its middle where no other's is near: things lie in one another, a finger chooses one. */
export function apart(boxes: Box[], least: number): [number, number][] {
  const placed: [number, number][] = [];
  for (const [x0, y0, x1, y1] of boxes) {
    const points = WITHIN.map(([across, down]): [number, number] => [x0 + across * (x1 - x0), y0 + down * (y1 - y0)]);
    const isFree = ([x, y]: [number, number]): boolean => placed.every(([px, py]) => Math.hypot(x - px, y - py) >= least);
    placed.push(points.find(isFree) ?? points[0]!);
  }
  return placed;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
