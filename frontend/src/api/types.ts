/** What the API gives; see /api/v1/docs. Boxes are [x0, y0, x1, y1] in pixels of the stored photo. */

export type Box = [number, number, number, number];
export type State = "queued" | "looking" | "matching" | "fitting" | "done" | "failed" | "cancelled";

/** OpenCV: x right, y down, z forward; pixels; camera_from_model 4 x 4, row by row, metres. */
export interface CameraFields {
  fx: number;
  fy: number;
  cx: number;
  cy: number;
  width: number;
  height: number;
  camera_from_model: number[];
}

export interface Pose {
  azimuth_deg: number;
  elevation_deg: number;
  camera: CameraFields;
  silhouette_iou: number | null;
}

export interface Product {
  id: number;
  name: string;
  sku: string;
  category: string;
  size_text: string;
  price: string | null;
  currency: string;
  link: string;
  url: string;
  thumbnail_url: string;
  glb_url: string;
  source: string;
  license: string;
  creator: string;
}

export interface Result {
  rank: number;
  product: Product;
  confidence: string;
  score: number;
  calibrated: number;
  view_url: string;
  glb_url: string;
  pose: Pose | null;
}

export interface Photo {
  url: string | null;
  width: number;
  height: number;
  sent_width: number;
  sent_height: number;
  sample: string | null;
}

export interface Search {
  id: string;
  state: State;
  error: string | null;
  queue_position: number | null;
  url: string;
  photo: Photo;
  box: Box | null;
  box_source: "shopper" | "found" | "whole" | null;
  detections: { box: Box; score: number }[];
  no_match: boolean;
  tau: number;
  tau_widened: boolean;
  results: Result[];
}

export interface Submitted {
  id: string;
  url: string;
  api_url: string;
}
