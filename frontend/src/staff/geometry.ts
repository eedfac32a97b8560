/** A box drawn by hand over a photo that is shown at another size. */

export type Edges = [number, number, number, number];

interface Point {
  x: number;
  y: number;
}

/** Edges in the photo's pixels, clipped to it; null for next to nothing. area: where the photo is on the screen. */
export function drawnBox(
  a: Point,
  b: Point,
  area: { left: number; top: number; width: number; height: number },
  photo: { width: number; height: number },
): Edges | null {
  const across = (x: number): number => Math.min(1, Math.max(0, (x - area.left) / area.width)) * photo.width;
  const down = (y: number): number => Math.min(1, Math.max(0, (y - area.top) / area.height)) * photo.height;
  const [x0, x1] = [across(Math.min(a.x, b.x)), across(Math.max(a.x, b.x))];
  const [y0, y1] = [down(Math.min(a.y, b.y)), down(Math.max(a.y, b.y))];
  return x1 - x0 < 6 || y1 - y0 < 6 ? null : [x0, y0, x1, y1];
}
