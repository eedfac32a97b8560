/** A model by itself, to be turned by hand: the product page. Draws only when something has changed. */

import {
  Box3,
  BufferGeometry,
  DirectionalLight,
  Group,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  type Object3D,
  PCFSoftShadowMap,
  PerspectiveCamera,
  PlaneGeometry,
  PMREMGenerator,
  Scene,
  ShadowMaterial,
  Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { RoomEnvironment } from "three/addons/environments/RoomEnvironment.js";
import { loadModel, radiusOf } from "./model";

const FIELD = 30; // degrees, vertical
const SHADOW_SIDE = 1024; // pixels

export class Turntable {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(FIELD, 1, 0.01, 100);
  private readonly controls: OrbitControls;
  private readonly box: Box3;
  private lines: Group | null = null;
  private labels: { element: HTMLElement; at: Vector3 }[] = [];

  /** Throws where there is no WebGL or no model. */
  static async open(canvas: HTMLCanvasElement, url: string): Promise<Turntable> {
    const renderer = new WebGLRenderer({ canvas, alpha: true, antialias: true, preserveDrawingBuffer: true });
    return new Turntable(canvas, renderer, await loadModel(url));
  }

  private constructor(
    private readonly canvas: HTMLCanvasElement,
    renderer: WebGLRenderer,
    model: Object3D,
  ) {
    this.renderer = renderer;
    renderer.setClearColor(0, 0);
    renderer.shadowMap.enabled = true;
    renderer.shadowMap.type = PCFSoftShadowMap;
    const room = new PMREMGenerator(renderer);
    this.scene.environment = room.fromScene(new RoomEnvironment(), 0.04).texture;
    room.dispose();
    this.scene.add(model);
    this.box = new Box3().setFromObject(model);
    const radius = radiusOf(model);
    this.addShadow(model, radius);
    const distance = (radius / Math.sin((FIELD * Math.PI) / 360)) * 1.08;
    this.camera.near = distance / 50;
    this.camera.far = distance * 4;
    this.camera.position.set(0.55, 0.35, 0.9).normalize().multiplyScalar(distance);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enablePan = false;
    this.controls.minDistance = radius * 1.05;
    this.controls.maxDistance = distance * 2;
    this.controls.addEventListener("change", () => this.draw());
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Width, depth and height drawn along the model's edges; their figures go into `place`, over the canvas. */
  showSizes(place: HTMLElement, isOn: boolean): void {
    this.lines?.removeFromParent();
    this.lines = null;
    this.labels = [];
    place.replaceChildren();
    if (isOn) {
      const { min, max } = this.box;
      const off = radiusOf(this.scene) * 0.02;
      const corner = new Vector3(max.x + off, min.y, max.z + off);
      const ends = [
        new Vector3(min.x, min.y, max.z + off),
        new Vector3(max.x + off, min.y, min.z),
        new Vector3(max.x + off, max.y, max.z + off),
      ];
      const starts = [new Vector3(max.x, min.y, max.z + off), new Vector3(max.x + off, min.y, max.z), corner];
      const points = ends.flatMap((end, index) => [starts[index]!, end]);
      const geometry = new BufferGeometry().setFromPoints(points);
      this.lines = new Group().add(new LineSegments(geometry, new LineBasicMaterial({ color: 0x12a594 })));
      this.scene.add(this.lines);
      this.labels = ends.map((end, index) => {
        const start = starts[index]!;
        const element = document.createElement("span");
        element.textContent = `${Math.round(100 * start.distanceTo(end))} cm`;
        place.append(element);
        return { element, at: start.clone().lerp(end, 0.5) };
      });
    }
    this.draw();
  }

  private addShadow(model: Object3D, radius: number): void {
    model.traverse((node) => {
      if (node instanceof Mesh) node.castShadow = node.receiveShadow = true;
    });
    const sun = new DirectionalLight(0xffffff, 1.4);
    sun.position.set(-0.5, 1.6, 0.8).multiplyScalar(2 * radius);
    sun.castShadow = true;
    sun.shadow.mapSize.set(SHADOW_SIDE, SHADOW_SIDE);
    sun.shadow.normalBias = radius * 0.01;
    sun.shadow.radius = 6;
    Object.assign(sun.shadow.camera, { left: -2 * radius, right: 2 * radius, top: 2 * radius, bottom: -2 * radius, far: 8 * radius });
    const ground = new Mesh(new PlaneGeometry(8 * radius, 8 * radius), new ShadowMaterial({ opacity: 0.28 }));
    ground.rotation.x = -Math.PI / 2;
    ground.position.y = this.box.min.y;
    ground.receiveShadow = true;
    this.scene.add(sun, ground);
  }

  private draw(): void {
    this.renderer.render(this.scene, this.camera);
    for (const { element, at } of this.labels) {
      const p = at.clone().project(this.camera);
      element.style.left = `${50 * (p.x + 1)}%`;
      element.style.top = `${50 * (1 - p.y)}%`;
    }
    this.canvas.dataset["drawn"] = String(Number(this.canvas.dataset["drawn"] ?? 0) + 1);
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(2, devicePixelRatio));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  private onKey(event: KeyboardEvent): void {
    const turns: Record<string, number> = { ArrowLeft: 0.2, ArrowRight: -0.2 };
    const turn = turns[event.key];
    if (turn === undefined) return;
    event.preventDefault();
    this.camera.position.applyAxisAngle(this.camera.up, -turn);
    this.controls.update();
    this.draw();
  }
}
