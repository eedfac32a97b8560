import { describe, expect, it } from "vitest";
import { changed, effect } from "./cutoff";
import { drawnBox } from "./geometry";

const points = [
  { score: -0.4, good: false },
  { score: -0.2, good: true },
  { score: 0.1, good: false },
  { score: 0.3, good: true },
];

describe("effect", () => {
  it("counts what is still answered", () => {
    expect(effect(points, -0.3)).toEqual({ shown: 3, good: 2, precision: 2 / 3, recall: 1 });
    expect(effect(points, 0.2)).toEqual({ shown: 1, good: 1, precision: 1, recall: 0.5 });
    expect(effect(points, 0.9).precision).toBeNull();
  });

  it("finds what changes, whichever way the cut-off goes", () => {
    expect(changed(points, -0.3, 0.2)).toEqual([points[1], points[2]]);
    expect(changed(points, 0.2, -0.3)).toEqual([points[1], points[2]]);
    expect(changed(points, 0.1, 0.1)).toEqual([]);
  });
});

describe("drawnBox", () => {
  const area = { left: 100, top: 50, width: 400, height: 200 };
  const photo = { width: 800, height: 400 };

  it("is in the photo's pixels, whichever corner it began at", () => {
    expect(drawnBox({ x: 300, y: 150 }, { x: 200, y: 100 }, area, photo)).toEqual([200, 100, 400, 200]);
  });

  it("ends at the photo's border, and is nothing for a click", () => {
    expect(drawnBox({ x: 0, y: 0 }, { x: 300, y: 900 }, area, photo)).toEqual([0, 0, 400, 400]);
    expect(drawnBox({ x: 300, y: 150 }, { x: 301, y: 151 }, area, photo)).toBeNull();
  });
});
