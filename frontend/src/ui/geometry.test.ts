import { describe, expect, it } from "vitest";
import { apart, dragged, scaled, spanned } from "./geometry";

describe("dragged", () => {
  it("moves the whole box and keeps its size at the photo's edge", () => {
    expect(dragged([10, 10, 60, 40], "move", 100, -30, 100, 100, 8)).toEqual([50, 0, 100, 30]);
  });
  it("moves a corner, never past its opposite", () => {
    expect(dragged([10, 10, 60, 40], "se", 5, 7, 100, 100, 8)).toEqual([10, 10, 65, 47]);
    expect(dragged([10, 10, 60, 40], "nw", 90, 90, 100, 100, 8)).toEqual([52, 32, 60, 40]);
  });
  it("moves one edge alone", () => {
    expect(dragged([10, 10, 60, 40], "e", 500, 9, 100, 100, 8)).toEqual([10, 10, 100, 40]);
  });
});

it("spans a box whichever way it is drawn", () => {
  expect(spanned(80, 20, -5, 70, 100, 100)).toEqual([0, 20, 80, 70]);
});

it("scales to another photo", () => {
  expect(scaled([1, 2, 3, 4], 2, 10)).toEqual([2, 20, 6, 40]);
});

describe("apart", () => {
  it("is each box's middle where those are far from one another", () => {
    expect(apart([[0, 0, 20, 40], [60, 60, 80, 100]], 10)).toEqual([[10, 20], [70, 80]]);
  });
  it("keeps what lies in the middle of another in reach", () => {
    const [outer, inner] = apart([[0, 0, 100, 100], [40, 30, 60, 70]], 10);
    expect(outer).toEqual([50, 50]);
    expect(inner).toEqual([50, 62]);
  });
  it("takes the middle where there is no room", () => {
    expect(apart([[0, 0, 4, 4], [0, 0, 4, 4]], 10)[1]).toEqual([2, 2]);
  });
});
