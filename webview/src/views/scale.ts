/** From a number to how strongly its cell is coloured, and the steps of that scale for a legend. */

/** Ranks from this one on look alike. */
const LAST_RANK = 10_000;

/** Probabilities up to this one look alike. */
const LEAST_PROBABILITY = 1e-4;

/** Probability 0.0001 … 1 → 0 … 1, by powers of ten: what is to come is seen long before it is probable. */
export const probabilityStrength = (probability: number): number =>
  Math.max(0, Math.min(1, 1 - Math.log10(Math.max(probability, Number.MIN_VALUE)) / Math.log10(LEAST_PROBABILITY)));

/** Rank 0, 1, 2 … → 1 … 0, by powers of ten. */
export const rankStrength = (rank: number): number => Math.max(0, 1 - Math.log10(rank + 1) / Math.log10(LAST_RANK));

/** Strength → opacity of the hue, so that text over it stays readable. */
export const cellOpacity = (strength: number, contrast: boolean): number =>
  strength <= 0 ? 0 : (contrast ? 0.1 : 0.03) + 0.47 * strength;

export interface ScaleStep {
  label: string;
  strength: number;
}

export const PROBABILITY_STEPS: ScaleStep[] = [1e-4, 1e-3, 1e-2, 0.1, 1].map((probability) => ({
  label: `${probability === LEAST_PROBABILITY ? '≤' : ''}${Number((100 * probability).toPrecision(2))}%`,
  strength: probabilityStrength(probability),
}));

export const RANK_STEPS: ScaleStep[] = [LAST_RANK, 1000, 100, 10, 1].map((rank) => ({
  label: rank === LAST_RANK ? '≥10k' : rank === 1000 ? '1k' : String(rank),
  strength: rankStrength(rank - 1),
}));
