/** A model's GLB, loaded once and kept; the light it is seen in. */

import {
  AmbientLight,
  Box3,
  DirectionalLight,
  EdgesGeometry,
  Group,
  HemisphereLight,
  LineBasicMaterial,
  LineSegments,
  type Material,
  Mesh,
  type Object3D,
  type Scene,
  Texture,
  Vector3,
} from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const KEPT = 4; // models in memory; a heavy one has tens of megabytes
const EDGE_ANGLE = 28; // degrees between two faces from which their edge is drawn
const EDGE_FACES = 150_000; // more are not drawn as lines: it would take seconds
const cache = new Map<string, Promise<Group>>();

/** share: of the file that has come, null where the server doesn't say how long it is. */
export function loadModel(url: string, tell?: (share: number | null) => void): Promise<Group> {
  let model = cache.get(url);
  if (!model) {
    model = new GLTFLoader()
      .loadAsync(url, (event) => tell?.(event.lengthComputable ? event.loaded / event.total : null))
      .then((file) => file.scene);
    model.catch(() => cache.delete(url));
    cache.set(url, model);
    const oldest = cache.entries().next().value;
    if (cache.size > KEPT && oldest !== undefined) {
      cache.delete(oldest[0]);
      // three.js makes its buffers anew should it still be on the screen
      oldest[1].then(freeModel, () => {});
    }
  } else {
    cache.delete(url); // most lately used goes last
    cache.set(url, model);
  }
  return model;
}

/** Give back what the graphics card holds of it. */
export function freeModel(model: Object3D): void {
  model.traverse((node) => {
    if (!(node instanceof Mesh || node instanceof LineSegments)) return;
    node.geometry.dispose();
    for (const material of [node.material].flat() as Material[]) {
      for (const value of Object.values(material)) if (value instanceof Texture) value.dispose();
      material.dispose();
    }
  });
}

/** Half the diagonal of the model's bounding box, metres. */
export function radiusOf(model: Object3D): number {
  return new Box3().setFromObject(model).getSize(new Vector3()).length() / 2;
}

/** The model's creases as lines; null where it has too many faces. */
export function edgesOf(model: Object3D, color: number): Group | null {
  let faces = 0;
  const meshes: Mesh[] = [];
  model.traverse((node) => {
    if (node instanceof Mesh) {
      meshes.push(node);
      faces += (node.geometry.index?.count ?? node.geometry.attributes.position?.count ?? 0) / 3;
    }
  });
  if (faces > EDGE_FACES) return null;
  const group = new Group();
  for (const mesh of meshes) {
    const lines = new LineSegments(new EdgesGeometry(mesh.geometry, EDGE_ANGLE), new LineBasicMaterial({ color }));
    mesh.updateWorldMatrix(true, false);
    lines.applyMatrix4(mesh.matrixWorld);
    group.add(lines);
  }
  return group;
}

/** Soft light from everywhere and a key light over the left shoulder, which goes with `carrier`. */
export function addLights(scene: Scene, carrier: Object3D): void {
  scene.add(new AmbientLight(0xffffff, 0.9), new HemisphereLight(0xffffff, 0xb8b0a4, 1.1));
  const key = new DirectionalLight(0xffffff, 1.9);
  key.position.set(-0.6, 1, 1.1);
  key.target.position.set(0, 0, 0);
  carrier.add(key, key.target);
  scene.add(carrier);
}
