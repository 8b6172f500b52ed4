/** One line under the graph that explains the marks and the keys. */
import type { Store } from '../store/state';
import { count, shortShare } from '../words/words';
import { MIXER, MIXER_NOTE } from '../words/describe';
import { unitText } from '../groups/words';
import { EffectKeys, EffectLine } from './effectLegend';

export function Legend({ store }: { store: Store }) {
  const routes = store.routes.value;
  const shown = store.shown.value;
  const flow = store.ink.value !== 'local';
  const effects = shown !== null && (shown.effects !== null || shown.awaited);
  return (
    <div class="legend">
      {effects ? (
        <EffectKeys store={store} />
      ) : (
        <span class="key">
          <svg viewBox="0 0 24 10" width="24" height="10" aria-hidden="true">
            <path class="attention" d="M1 8 C 10 8, 12 2, 23 2" />
          </svg>
          attention
        </span>
      )}
      <span class="key">
        <svg viewBox="0 0 4 12" width="4" height="12" aria-hidden="true">
          <path class="residual" d="M2 0 V 12" />
        </svg>
        residual
      </span>
      <span class="key">
        <svg viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
          <rect class={effects ? 'ffn supports' : 'ffn'} x="1" y="1" width="6" height="6" />
        </svg>
        feed-forward
      </span>
      {store.analysis.value && store.analysis.value.meta.layerKinds.length > 0 && (
        <span class="key" title={`${MIXER}. ${MIXER_NOTE}`}>
          <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
            <path class="mixer" d="M11 1 C 2 1, 2 11, 11 11" />
            <path class="mixer-mark" d="M1.5 6 L4 3.5 L6.5 6 L4 8.5 Z" />
          </svg>
          mixer (not split by token)
        </span>
      )}
      {shown?.columns.grouped && !shown.columns.kind && (
        <span
          class="key"
          data-testid="legend-groups"
          title={
            effects
              ? 'A line between groups is the sum of the effects of the edges between their tokens'
              : flow
                ? 'A line between groups is the sum of the flow of the edges between their tokens; a node is the sum of their mass'
                : 'A line between groups is the strongest of the edges between their tokens'
          }
        >
          <svg viewBox="0 0 14 8" width="14" height="8" aria-hidden="true">
            <rect class="group" x="0" y="2" width="14" height="4" />
          </svg>
          {unitText(store.groups.value?.unit ?? 'token')},{' '}
          {effects ? 'effects summed' : flow ? 'flow summed' : 'strongest edge'} · g opens
        </span>
      )}
      {shown && shown.nEdges > shown.edges.count && (
        <span data-testid="legend-budget">
          the {count(shown.edges.count)} strongest of {count(shown.nEdges)} lines are drawn
        </span>
      )}
      {routes && routes.biasMass >= 0.005 && <span>biases {shortShare(routes.biasMass)}</span>}
      {routes && routes.endedMass >= 0.005 && (
        <span title="mass that ended at nodes with no part above the threshold">
          ended {shortShare(routes.endedMass)}
        </span>
      )}
      <span>
        {effects ? 'width' : 'width and opacity'}:{' '}
        {effects ? 'effect on the prediction' : flow ? 'flow into the target' : 'local contribution'}
      </span>
      <span class="hint">click anything · arrows move, Enter opens, t targets, / finds</span>
      <EffectLine store={store} />
    </div>
  );
}
