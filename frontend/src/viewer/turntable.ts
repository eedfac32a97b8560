/** A model by itself, to be turned by hand: the product page. */

import { PerspectiveCamera, Scene, WebGLRenderer } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { addLights, loadModel, radiusOf } from "./model";

const FIELD = 30; // degrees, vertical

/** Throws where there is no WebGL. */
export async function showTurntable(canvas: HTMLCanvasElement, url: string): Promise<void> {
  const renderer = new WebGLRenderer({ canvas, alpha: true, antialias: true, preserveDrawingBuffer: true });
  renderer.setClearColor(0, 0);
  const scene = new Scene();
  const camera = new PerspectiveCamera(FIELD, 1, 0.01, 100);
  addLights(scene, camera);
  const model = await loadModel(url);
  scene.add(model);
  const radius = radiusOf(model);
  const distance = (radius / Math.sin((FIELD * Math.PI) / 360)) * 1.08;
  camera.near = distance / 50;
  camera.far = distance * 4;
  camera.position.set(0.55, 0.35, 0.9).normalize().multiplyScalar(distance);
  const controls = new OrbitControls(camera, canvas);
  controls.enablePan = false;
  controls.minDistance = radius * 1.05;
  controls.maxDistance = distance * 2;
  const draw = (): void => {
    renderer.render(scene, camera);
    canvas.dataset["drawn"] = String(Number(canvas.dataset["drawn"] ?? 0) + 1);
  };
  controls.addEventListener("change", draw);
  canvas.addEventListener("keydown", (event) => {
    const turns: Record<string, number> = { ArrowLeft: 0.2, ArrowRight: -0.2 };
    const turn = turns[event.key];
    if (turn === undefined) return;
    event.preventDefault();
    camera.position.applyAxisAngle(camera.up, -turn);
    controls.update();
    draw();
  });
  new ResizeObserver(() => {
    renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    renderer.setSize(canvas.clientWidth, canvas.clientHeight, false);
    camera.aspect = canvas.clientWidth / Math.max(1, canvas.clientHeight);
    camera.updateProjectionMatrix();
    controls.update();
    draw();
  }).observe(canvas);
}
