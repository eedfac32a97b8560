/**
 * The one place where an OpenCV camera becomes a three.js camera.
 *
 * OpenCV looks along +z with y down; three.js looks along -z with y up. Pixel i spans [i, i + 1), so the
 * picture's corners are (0, 0) and (width, height): they become the corners of the clip space.
 */

import { Matrix4, PerspectiveCamera, Vector3 } from "three";

export interface PinholeCamera {
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  width: number;
  height: number;
  camera_from_model: number[];
}

/** How the model was turned away from its pose: radians about its own up axis and the camera's x axis. */
export interface Turn {
  yaw: number;
  pitch: number;
  zoom: number;
}

export const AT_REST: Readonly<Turn> = { yaw: 0, pitch: 0, zoom: 1 };

const THREE_FROM_OPENCV = new Matrix4().makeScale(1, -1, -1);

/** Set projection and place; the model stays at the world's origin in its own frame. */
export function applyCamera(
  camera: PerspectiveCamera,
  pinhole: PinholeCamera,
  turn: Turn = AT_REST,
  radius = 1,
): void {
  const opencvFromModel = turned(pinhole.camera_from_model, turn);
  camera.matrixAutoUpdate = false;
  camera.matrixWorldInverse.multiplyMatrices(THREE_FROM_OPENCV, opencvFromModel);
  camera.matrixWorld.copy(camera.matrixWorldInverse).invert();
  camera.matrix.copy(camera.matrixWorld);
  const depth = new Vector3().setFromMatrixPosition(opencvFromModel).z;
  const near = Math.max(depth - 2 * radius, depth * 0.02, 1e-4);
  const far = depth + 3 * radius;
  const { fx, fy, cx, cy, width, height } = pinhole;
  camera.projectionMatrix.makePerspective(
    (-cx / fx) * near,
    ((width - cx) / fx) * near,
    (cy / fy) * near,
    ((cy - height) / fy) * near,
    near,
    far,
  );
  camera.projectionMatrixInverse.copy(camera.projectionMatrix).invert();
}

/** The viewpoint of a model at rest at an azimuth and elevation, once it is turned; degrees, azimuth in [0, 360). */
export function turnedViewpoint(
  azimuthDeg: number,
  elevationDeg: number,
  turn: Turn,
): { azimuth_deg: number; elevation_deg: number } {
  const degrees = 180 / Math.PI;
  const azimuth = azimuthDeg - turn.yaw * degrees; // the model's turn to its left is the camera's to its right
  const elevation = elevationDeg + turn.pitch * degrees;
  return { azimuth_deg: ((azimuth % 360) + 360) % 360, elevation_deg: Math.max(-90, Math.min(90, elevation)) };
}

/** Pixels of a model point, straight from the OpenCV camera. */
export function projectOpenCV(pinhole: PinholeCamera, point: Vector3): [number, number] {
  const p = point.clone().applyMatrix4(matrix(pinhole.camera_from_model));
  return [(pinhole.fx * p.x) / p.z + pinhole.cx, (pinhole.fy * p.y) / p.z + pinhole.cy];
}

/** Pixels of a model point, through the three.js camera. */
export function projectThree(camera: PerspectiveCamera, width: number, height: number, point: Vector3): [number, number] {
  const p = point.clone().applyMatrix4(camera.matrixWorldInverse).applyMatrix4(camera.projectionMatrix);
  return [((p.x + 1) / 2) * width, ((1 - p.y) / 2) * height];
}

function matrix(rows: number[]): Matrix4 {
  return new Matrix4().fromArray(rows).transpose(); // three.js stores columns
}

/** The model turned about its own center, which stays where it is in the picture. */
function turned(rows: number[], turn: Turn): Matrix4 {
  const rest = matrix(rows);
  const place = new Vector3().setFromMatrixPosition(rest).divideScalar(turn.zoom);
  const rotation = rest.clone().setPosition(0, 0, 0);
  return new Matrix4()
    .makeTranslation(place)
    .multiply(new Matrix4().makeRotationX(turn.pitch))
    .multiply(rotation)
    .multiply(new Matrix4().makeRotationY(turn.yaw));
}

/** A movement by hand: in pixels of the photo, as a factor, and radians about the model's up axis and the camera's. */
export interface Nudge {
  x?: number;
  y?: number;
  zoom?: number;
  yaw?: number;
  pitch?: number;
}

/** The camera with the model moved by hand. */
export function nudged(pinhole: PinholeCamera, by: Nudge): PinholeCamera {
  const moved = turned(pinhole.camera_from_model, { yaw: by.yaw ?? 0, pitch: by.pitch ?? 0, zoom: by.zoom ?? 1 });
  const place = new Vector3().setFromMatrixPosition(moved);
  place.x += ((by.x ?? 0) * place.z) / pinhole.fx;
  place.y += ((by.y ?? 0) * place.z) / pinhole.fy;
  return { ...pinhole, camera_from_model: moved.setPosition(place).transpose().toArray() };
}
