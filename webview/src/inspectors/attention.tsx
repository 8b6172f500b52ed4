/** An open attention edge: its heads, and for the chosen head its maps, why it looks here and what it writes. */
import type { EdgeHeadsResult } from '../../../extension/shared/protocol';
import { detailOf, edgeName } from '../words/names';
import type { EdgeRef } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Store } from '../store/state';
import { HeadDetails } from './head';
import { Heads, headParts } from './heads';
import { LayerMaps } from './layermaps';
import { Maps } from './maps';
import { shownIn } from './shown';

interface Props {
  store: Store;
  analysis: Analysis;
  edge: EdgeRef;
  /** The selection: the edge, perhaps with a head. */
  name: string;
  known: EdgeHeadsResult | null;
  weight: number | null;
}

export function AttentionDetails({ store, analysis, edge, name, known, weight }: Props) {
  const { layer, position: query } = edge.target;
  const { position } = edge.source;
  const { nHeads } = analysis.meta.model;
  const parts = headParts(analysis, edge, known);
  const strongest = parts[0]?.contribution === null ? null : (parts[0]?.head ?? null);
  const named = detailOf(name);
  const chosen = named !== null && named < nHeads ? named : null;
  const all = chosen === null && shownIn(store).allHeads.value === edgeName(edge);
  const head = all ? null : (chosen ?? strongest);
  const at = { store, analysis, layer, query, position };
  return (
    <>
      <Heads store={store} analysis={analysis} edge={edge} parts={parts} head={head} weight={weight} />
      {(head !== null || all) && <Maps {...at} head={head} />}
      <LayerMaps store={store} edge={edge} nHeads={nHeads} head={head} />
      {head !== null && <HeadDetails {...at} head={head} />}
      {all && <p class="dim section">Choose a head to see why it looks here and what it writes.</p>}
    </>
  );
}
