/** An edge: its contribution, and for an attention edge the heads behind it. */
import type { EdgeHeadsResult, LayerKind } from '../../../extension/shared/protocol';
import { useReply } from '../store/ask';
import { MIXER, MIXER_NOTE, attentionIndex, edgeNumbers, mixing } from '../words/describe';
import type { EdgeRef } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Store } from '../store/state';
import { share } from '../words/words';
import { AttentionDetails } from './attention';
import { Effect } from './effect';
import { Kind } from './kind';
import { LensLists } from './lens';
import { TokenLink } from './parts';

const KINDS = {
  attention: 'attention edge',
  residual: 'residual edge',
  ffn: 'feed-forward block',
  bias: 'attention bias',
  mixer: MIXER,
};

/** `name`: the selection, which of an attention edge may name a head. */
export function EdgeInspector({ store, edge, name }: { store: Store; edge: EdgeRef; name: string }) {
  const analysis = store.analysis.value;
  const routes = store.settledRoutes.value;
  const known = useHeads(store, edge);
  if (!analysis || !routes) return null;
  const numbers = edgeNumbers(analysis, routes, edge);
  const contribution = edge.kind === 'attention' ? weightOf(analysis, edge, known) : numbers.contribution;
  const kind = analysis.meta.layerKinds[edge.target.layer];
  const whole = edge.target.letter === 'A' ? `residual after ${mixing(kind)}` : 'residual after the layer';
  const between = edge.kind === 'attention' || edge.kind === 'residual';
  return (
    <>
      <Kind store={store}>{KINDS[edge.kind]}</Kind>
      <h2 class="what">
        <TokenLink store={store} node={edge.source} warm />
        {between && <span class="arrow"> → </span>}
        {between && <TokenLink store={store} node={edge.target} />}
        <span class="where">{where(edge, kind)}</span>
      </h2>
      <Effect store={store} selection={name}>
        <p class="figures" data-testid="edge-figures">
          contribution <b>{contribution === null ? `≤ ${share(analysis.meta.floor)}` : share(contribution)}</b> of the{' '}
          {whole}
          <br />
          {numbers.weight > 0 ? (
            <>
              flow <b>{share(numbers.flow)}</b> into the target
            </>
          ) : (
            'not on a kept route of this target'
          )}
        </p>
      </Effect>
      {edge.kind === 'mixer' && (
        <p class="figures" data-testid="mixer-note">
          {MIXER_NOTE}
        </p>
      )}
      {edge.kind === 'attention' && (
        <AttentionDetails {...{ store, analysis, edge, name, known }} weight={contribution} />
      )}
      {edge.kind === 'ffn' && <LensLists store={store} node={`M${edge.target.layer}_${edge.target.position}`} />}
    </>
  );
}

/** Every head of an attention edge, once the backend has answered. */
function useHeads(store: Store, edge: EdgeRef): EdgeHeadsResult | null {
  const { layer, position: query } = edge.target;
  const asked = { layer, query, key: edge.source.position };
  const reply = useReply(store, 'lmTransparency/edgeHeads', edge.kind === 'attention' ? asked : null);
  return reply?.state === 'known' ? reply.result : null;
}

/** An attention edge's contribution before thresholding; null below the floor until the answer arrives. */
function weightOf(analysis: Analysis, edge: EdgeRef, known: EdgeHeadsResult | null): number | null {
  if (known) return known.weight;
  const index = attentionIndex(analysis, edge.target.layer, edge.target.position, edge.source.position);
  return index < 0 ? null : (analysis.columns.edgeWeight[index] ?? null);
}

function where(edge: EdgeRef, kind: LayerKind | undefined): string {
  const { layer } = edge.target;
  if (edge.kind === 'attention')
    return `layer ${layer} · from position ${edge.source.position} to ${edge.target.position}`;
  if (edge.kind === 'residual')
    return `layer ${layer}, past ${edge.source.letter === 'A' ? 'feed-forward' : mixing(kind)}`;
  return `layer ${layer} · position ${edge.target.position}`;
}
