import { PerspectiveCamera, Vector3 } from "three";
import { describe, expect, it } from "vitest";
import { applyCamera, type PinholeCamera, projectOpenCV, projectThree } from "./camera";

const pinhole: PinholeCamera = {
  fx: 900,
  fy: 850,
  cx: 310,
  cy: 260,
  width: 640,
  height: 480,
  // turned by 30 degrees about y, 3 metres away, a little to the right
  camera_from_model: [0.866, 0, -0.5, 0.2, 0, -1, 0, 0.1, -0.5, 0, -0.866, 3, 0, 0, 0, 1],
};
const points = [
  [0, 0, 0],
  [0.4, -0.3, 0.2],
  [-0.5, 0.5, -0.4],
  [0.1, 0.6, 0.5],
].map(([x, y, z]) => new Vector3(x, y, z));

describe("applyCamera", () => {
  it("puts every point on the pixel the OpenCV camera puts it on", () => {
    const camera = new PerspectiveCamera();
    applyCamera(camera, pinhole);
    for (const point of points) {
      const [x, y] = projectThree(camera, pinhole.width, pinhole.height, point);
      const [u, v] = projectOpenCV(pinhole, point);
      expect(x).toBeCloseTo(u, 3);
      expect(y).toBeCloseTo(v, 3);
    }
  });

  it("keeps the model's center where it is while it is turned", () => {
    const camera = new PerspectiveCamera();
    applyCamera(camera, pinhole, { yaw: 1.2, pitch: -0.4, zoom: 1 });
    const center = new Vector3(0, 0, 0);
    const [x, y] = projectThree(camera, pinhole.width, pinhole.height, center);
    const [u, v] = projectOpenCV(pinhole, center);
    expect(x).toBeCloseTo(u, 3);
    expect(y).toBeCloseTo(v, 3);
    const moved = projectThree(camera, pinhole.width, pinhole.height, points[1]!);
    expect(Math.hypot(moved[0] - projectOpenCV(pinhole, points[1]!)[0], 0)).toBeGreaterThan(5);
  });

  it("keeps what is before the camera between near and far", () => {
    const camera = new PerspectiveCamera();
    applyCamera(camera, pinhole, { yaw: 0, pitch: 0, zoom: 1 }, 0.9);
    for (const point of points) {
      const depth = point.clone().applyMatrix4(camera.matrixWorldInverse).applyMatrix4(camera.projectionMatrix).z;
      expect(Math.abs(depth)).toBeLessThan(1);
    }
  });
});
