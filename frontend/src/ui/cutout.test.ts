import { describe, expect, it } from "vitest";
import { framed, pathOf } from "./cutout";

const square: [number, number][] = [
  [10, 20],
  [50, 20],
  [50, 40],
  [10, 40],
];
const hole: [number, number][] = [
  [20, 25],
  [30, 25],
  [30, 30],
];

describe("the cut-out", () => {
  it("is framed by a square with a margin, whatever the object's shape", () => {
    expect(framed([square, hole])).toEqual([8, 8, 52, 52]);
  });
  it("is a path of closed rings", () => {
    expect(pathOf([square, hole])).toBe("M10 20L50 20L50 40L10 40ZM20 25L30 25L30 30Z");
  });
});
