/** What the page is told. Boxes are [x0, y0, x1, y1] in pixels of the stored photo. */

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

export interface Viewpoint {
  azimuth_deg: number;
  elevation_deg: number;
  view_url: string;
}

/** values: each cell's part of the score, which is their sum; down, right: cells the view lies shifted in the photo. */
export interface Agreement {
  values: number[][];
  score: number;
  down: number;
  right: number;
}

export interface Result extends Viewpoint {
  rank: number;
  product: number;
  name: string;
  confidence: string;
  score: number;
  facts: string[];
  price: string | null;
  currency: string;
  credits: string[];
  url: string;
  link: string;
  glb_url: string;
  photo_index: number;
  pose: Pose | null;
  others: Viewpoint[];
  agreement: Agreement | null;
  said: "is_it" | "not_it" | null;
}

export interface Photo {
  url: string | null;
  width: number;
  height: number;
  sent_width: number;
  sent_height: number;
  box: Box | null;
  asked_box: Box | null;
  box_source: "shopper" | "found" | "whole" | null;
  turn_deg: number | null;
  outline: [number, number][][];
  detections: { box: Box; score: number }[];
}

export interface Search {
  id: string;
  state: State;
  error: string | null;
  error_code: string | null;
  queue_position: number | null;
  no_match: boolean;
  words: string;
  photos: Photo[];
  results: Result[];
}

/** The answer as it is shown, and what the script needs of it. */
export interface Shown {
  html: string;
  search: Search;
}

export interface Submitted {
  id: string;
  url: string;
}

export interface Share {
  token: string;
  url: string;
  expires_at: string;
}
