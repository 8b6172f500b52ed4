/** The log scale on which the errors of the proof are drawn. */
import type { Proof } from '../../../extension/shared/protocol';

/** Exponents of ten at both ends. */
export interface ProofScale {
  low: number;
  high: number;
}

/** From the smallest error to the largest, with the tolerance a decade inside at least. */
export function proofScale(proof: Proof): ProofScale {
  const known = [...proof.perLayer, ...proof.attention, ...proof.ffn].filter((error) => error > 0 && error < Infinity);
  const exponents = [proof.tolerance, ...known].map((error) => Math.log10(error));
  const tolerance = Math.log10(proof.tolerance);
  return {
    low: Math.floor(Math.min(tolerance - 1, ...exponents) + 1e-9),
    // adding 0 makes −0 a plain zero
    high: Math.ceil(Math.max(tolerance + 1, ...exponents) - 1e-9) + 0,
  };
}

/** Where an error lies on the scale, 0 … 1; an overflow lies at its end. */
export function errorPlace({ low, high }: ProofScale, error: number): number {
  if (!Number.isFinite(error)) return 1;
  return error <= 0 ? 0 : Math.max(0, Math.min(1, (Math.log10(error) - low) / (high - low)));
}
