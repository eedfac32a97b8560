/** What a cut-off does to judged searches. */

export interface Point {
  score: number;
  good: boolean;
}

export interface Effect {
  shown: number;
  good: number;
  precision: number | null;
  recall: number | null;
}

/** Precision: of the searches still answered, the share with something right or similar. Recall: of those with
 * something right or similar, the share still answered. Null where there are none. */
export function effect(points: readonly Point[], cutOff: number): Effect {
  const shown = points.filter((point) => point.score >= cutOff);
  const good = shown.filter((point) => point.good).length;
  const all = points.filter((point) => point.good).length;
  return {
    shown: shown.length,
    good,
    precision: shown.length ? good / shown.length : null,
    recall: all ? good / all : null,
  };
}

/** Those answered under one of the two cut-offs only. */
export function changed<T extends Point>(points: readonly T[], before: number, after: number): T[] {
  const [low, high] = [Math.min(before, after), Math.max(before, after)];
  return points.filter((point) => point.score >= low && point.score < high);
}
