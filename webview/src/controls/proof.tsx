/** That the parts sum to the whole: a quiet tick, or a sentence when they do not. */
import type { Proof } from '../../../extension/shared/protocol';
import { scientific } from '../words';

export function ProofTick({ proof }: { proof: Proof }) {
  const error = scientific(proof.maxRelativeError);
  if (!proof.holds) {
    return (
      <span class="proof off" data-testid="proof" data-holds="false">
        parts ≠ whole {error}
      </span>
    );
  }
  return (
    <span
      class="proof"
      data-testid="proof"
      data-holds="true"
      title={`In every layer the parts sum to the whole: largest relative error ${error} (layer ${proof.worstLayer}), tolerance ${scientific(proof.tolerance)}`}
    >
      ✓ <span class="roomy">parts = whole </span>
      {error}
    </span>
  );
}

/** Stands over a graph that cannot be relied on. */
export function ProofWarning({ proof }: { proof: Proof }) {
  if (proof.holds) return null;
  return (
    <div class="banner error" role="alert" data-testid="proof-warning">
      <b>The parts do not sum to the whole.</b> Relative error {scientific(proof.maxRelativeError)} in layer{' '}
      {proof.worstLayer}, tolerance {scientific(proof.tolerance)}. This graph may not describe what the model computed:
      do not draw conclusions from it.
    </div>
  );
}
