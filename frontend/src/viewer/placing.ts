/**
 * Where a model stands so that, seen from a given viewpoint, it fills a box: what the server does for the first
 * results (ml/pose/placing.py), done here for the others and for the viewpoints that may be meant instead.
 */

import { Box3, Matrix4, Mesh, type Object3D, Vector3 } from "three";
import type { PinholeCamera } from "./camera";

type Box = readonly [number, number, number, number];
type Triple = [number, number, number];

export const DEFAULT_FOCAL = 1.2; // focal length / longer side of a photo that doesn't tell
const NEAREST = 1.15; // distance / bounding radius
const ROUNDS = 30;
const CLOSE = 0.01; // pixels
const MOST_POINTS = 6000;

/** Points of the model's surface, n x 3, in its own frame. */
export function pointsOf(model: Object3D): Float64Array {
  model.updateWorldMatrix(true, true);
  const toModel = model.matrixWorld.clone().invert();
  const found: number[] = [];
  const point = new Vector3();
  model.traverse((node) => {
    if (!(node instanceof Mesh)) return;
    const place = new Matrix4().multiplyMatrices(toModel, node.matrixWorld);
    const positions = node.geometry.attributes.position;
    if (!positions) return;
    for (let i = 0; i < positions.count; i++) {
      point.fromBufferAttribute(positions, i).applyMatrix4(place);
      found.push(point.x, point.y, point.z);
    }
  });
  const step = Math.ceil(found.length / 3 / MOST_POINTS);
  if (step <= 1) return Float64Array.from(found);
  const kept = found.filter((_, i) => Math.floor(i / 3) % step === 0);
  const box = new Box3().setFromArray(found);
  for (const axis of [0, 1, 2]) {
    for (const edge of [box.min, box.max]) {
      const value = edge.getComponent(axis);
      const at = found.findIndex((x, i) => i % 3 === axis && x === value);
      if (at >= 0) kept.push(...found.slice(at - axis, at - axis + 3));
    }
  }
  return Float64Array.from(kept);
}

/** The camera of a width x height photo in which the points' tight box has the center and the area of `box`. */
export function place(
  points: Float64Array,
  azimuth: number,
  elevation: number,
  box: Box,
  width: number,
  height: number,
  focal: number,
): PinholeCamera {
  let radius = 0;
  for (let i = 0; i < points.length; i += 3) radius = Math.max(radius, Math.hypot(...triple(points, i)));
  const upright = rotationToView(azimuth, elevation);
  const target = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] as const;
  const area = (box[2] - box[0]) * (box[3] - box[1]);
  let [x, y] = target;
  let distance = Math.max((2 * radius * focal) / Math.max(box[2] - box[0], box[3] - box[1]), NEAREST * radius);
  let camera = aimed(upright, x, y, distance, width, height, focal);
  for (let round = 0; round < ROUNDS; round++) {
    const found = projectedBox(camera, points);
    const [dx, dy] = [target[0] - (found[0] + found[2]) / 2, target[1] - (found[1] + found[3]) / 2];
    const ratio = Math.sqrt(Math.max((found[2] - found[0]) * (found[3] - found[1]), 1e-12) / area);
    if (Math.max(Math.abs(dx), Math.abs(dy), Math.abs(ratio - 1) * Math.sqrt(area)) < CLOSE) break;
    [x, y] = [x + dx, y + dy];
    distance = Math.max(distance * ratio, NEAREST * radius);
    camera = aimed(upright, x, y, distance, width, height, focal);
  }
  return camera;
}

export function projectedBox(camera: PinholeCamera, points: Float64Array): [number, number, number, number] {
  const m = camera.camera_from_model;
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 3) {
    const [x, y, z] = triple(points, i);
    const depth = m[8]! * x + m[9]! * y + m[10]! * z + m[11]!;
    const u = (camera.fx * (m[0]! * x + m[1]! * y + m[2]! * z + m[3]!)) / depth + camera.cx;
    const v = (camera.fy * (m[4]! * x + m[5]! * y + m[6]! * z + m[7]!)) / depth + camera.cy;
    box[0] = Math.min(box[0], u);
    box[1] = Math.min(box[1], v);
    box[2] = Math.max(box[2], u);
    box[3] = Math.max(box[3], v);
  }
  return box;
}

/** Rows of the rotation, model -> a camera that looks at the origin from there, upright. */
function rotationToView(azimuth: number, elevation: number): Matrix4 {
  const right = new Vector3(Math.cos(azimuth), 0, -Math.sin(azimuth));
  const forward = new Vector3(
    -Math.sin(azimuth) * Math.cos(elevation),
    -Math.sin(elevation),
    -Math.cos(azimuth) * Math.cos(elevation),
  );
  const down = new Vector3().crossVectors(forward, right);
  return new Matrix4().makeBasis(right, down, forward).transpose();
}

/** The camera that sees the model's origin at pixel (x, y), turned by as little as that takes. */
function aimed(upright: Matrix4, x: number, y: number, distance: number, width: number, height: number, focal: number) {
  const ray = new Vector3((x - width / 2) / focal, (y - height / 2) / focal, 1).normalize();
  const axis = new Vector3(-ray.y, ray.x, 0);
  const turn = new Matrix4();
  if (axis.length() > 1e-12) turn.makeRotationAxis(axis.clone().normalize(), Math.acos(Math.min(1, ray.z)));
  const placed = turn.multiply(upright).setPosition(ray.multiplyScalar(distance));
  return {
    fx: focal,
    fy: focal,
    cx: width / 2,
    cy: height / 2,
    width,
    height,
    camera_from_model: placed.transpose().toArray(),
  };
}

function triple(points: Float64Array, i: number): Triple {
  return [points[i]!, points[i + 1]!, points[i + 2]!];
}
