import { describe, expect, it } from "vitest";
import { nudged, type PinholeCamera } from "./camera";
import { place, projectedBox } from "./placing";

// corners of a 0.6 x 1 x 0.4 m block, and a point that makes it lopsided
const points = Float64Array.from(
  [-0.3, 0.3].flatMap((x) => [-0.5, 0.5].flatMap((y) => [-0.2, 0.2].flatMap((z) => [x, y, z]))).concat([0.3, 0.5, 0.5]),
);

const center = (box: readonly number[]): [number, number] => [(box[0]! + box[2]!) / 2, (box[1]! + box[3]!) / 2];
const area = (box: readonly number[]): number => (box[2]! - box[0]!) * (box[3]! - box[1]!);

describe("place", () => {
  it("fills the box's center and area from any viewpoint", () => {
    const box = [80, 120, 380, 560] as const;
    for (const azimuth of [0, 0.7, 2.5, -2]) {
      for (const elevation of [0, 0.3, 0.5]) {
        const camera = place(points, azimuth, elevation, box, 1024, 768, 1100);
        const found = projectedBox(camera, points);
        expect(center(found)[0]).toBeCloseTo(230, 0);
        expect(center(found)[1]).toBeCloseTo(340, 0);
        expect(Math.sqrt(area(found) / area(box))).toBeCloseTo(1, 3);
      }
    }
  });

  it("sees the front from azimuth 0 and the model's left side from 90 degrees, upright", () => {
    const box = [412, 284, 612, 484] as const; // in the middle: the camera looks straight at it
    const at = (azimuth: number, x: number, y: number, z: number): number[] => {
      const m = place(points, azimuth, 0, box, 1024, 768, 1100).camera_from_model;
      return [0, 4, 8].map((row) => m[row]! * x + m[row + 1]! * y + m[row + 2]! * z);
    };
    expect(at(0, 1, 0, 0)[0]).toBeGreaterThan(0.9); // the model's left is on the right of who faces it
    expect(at(0, 0, 1, 0)[1]).toBeLessThan(-0.9); // up is up: y grows downwards
    expect(at(0, 0, 0, 1)[2]).toBeLessThan(at(0, 0, 0, 0)[2]!); // the front is nearer
    expect(at(Math.PI / 2, 1, 0, 0)[2]).toBeLessThan(at(Math.PI / 2, 0, 0, 0)[2]!);
  });
});

describe("nudged", () => {
  const camera: PinholeCamera = place(points, 0.6, 0.2, [100, 100, 400, 500], 1024, 768, 1100);
  const origin = (of: PinholeCamera): [number, number] => {
    const m = of.camera_from_model;
    return [(of.fx * m[3]!) / m[11]! + of.cx, (of.fy * m[7]!) / m[11]! + of.cy];
  };

  it("slides the model by exactly the pixels it is dragged", () => {
    const [x, y] = origin(camera);
    const [u, v] = origin(nudged(camera, { x: 37, y: -12 }));
    expect(u - x).toBeCloseTo(37, 6);
    expect(v - y).toBeCloseTo(-12, 6);
  });

  it("scales and turns it about its center, which stays", () => {
    const moved = nudged(camera, { zoom: 1.25, yaw: 0.4, pitch: 0.1 });
    expect(origin(moved)[0]).toBeCloseTo(origin(camera)[0], 6);
    expect(origin(moved)[1]).toBeCloseTo(origin(camera)[1], 6);
    expect(moved.camera_from_model[11]).toBeCloseTo(camera.camera_from_model[11]! / 1.25, 6);
    expect(moved.camera_from_model[0]).not.toBeCloseTo(camera.camera_from_model[0]!, 2);
  });
});
