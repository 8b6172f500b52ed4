/** The heads of an attention edge: what each contributes, how much it attends, what kind of head it is. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { EdgeHeadsResult, HeadTagsResult } from '../../../extension/shared/protocol';
import { attempt, numbersOf } from '../analysis/arrays';
import { useReply } from '../store/ask';
import { attentionIndex } from '../words/describe';
import { edgeUnit } from '../effects/units';
import { edgeName, withDetail } from '../words/names';
import type { EdgeRef } from '../words/names';
import type { Analysis } from '../analysis/payload';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { share, shortShare } from '../words/words';
import { Waiting } from '../controls/waiting';
import { EFFECT_COLUMNS, useEffectColumn } from './effectColumn';
import { BarList, Section } from './parts';
import { usePromoted } from './promoted';
import type { BarRow } from './parts';
import { shownIn } from './shown';

/** One head of an edge; unknown values are null. */
export interface HeadPart {
  head: number;
  contribution: number | null;
  probability: number | null;
  rank: number | null;
}

/** How many heads are listed before a click shows the rest. */
const FIRST_HEADS = 16;
/** Weaker tags are left to the tooltip. */
const LEAST_TAG = 0.2;

/** All heads, largest contribution first: from the answer, before it from the analysis, which leaves out the smallest. */
export function headParts(analysis: Analysis, edge: EdgeRef, known: EdgeHeadsResult | null): HeadPart[] {
  const byContribution = (a: HeadPart, b: HeadPart): number =>
    (b.contribution ?? -1) - (a.contribution ?? -1) || a.head - b.head;
  if (known) {
    const { contribution, probability, rank } = known.heads;
    return contribution
      .map((value, head): HeadPart => {
        return { head, contribution: value, probability: probability[head] ?? null, rank: rank[head] ?? null };
      })
      .sort(byContribution);
  }
  const { headOffset, headIndex, headWeight } = analysis.columns;
  const parts = Array.from({ length: analysis.meta.model.nHeads }, (_, head): HeadPart => {
    return { head, contribution: null, probability: null, rank: null };
  });
  const index = attentionIndex(analysis, edge.target.layer, edge.target.position, edge.source.position);
  if (index >= 0) {
    for (let i = headOffset[index]!; i < headOffset[index + 1]!; i++) {
      const part = parts[headIndex[i]!];
      if (part) part.contribution = headWeight[i]!;
    }
  }
  return parts.sort(byContribution);
}

/** The names of tags, strongest first, with their scores. */
export type Tag = [word: string, score: number];

const TAG_WORDS: Record<string, string> = { first: 'first token' };

export function tagsOf(result: HeadTagsResult, nLayers: number, nHeads: number, layer: number, head: number): Tag[] {
  const { tags } = result;
  const scores = numbersOf(result.scores, 'float32', [nLayers, nHeads, tags.length]);
  return tags
    .map((tag, i): Tag => [TAG_WORDS[tag] ?? tag, scores[(layer * nHeads + head) * tags.length + i]!])
    .sort((a, b) => b[1] - a[1]);
}

const tagText = ([word, score]: Tag): string => `${word} ${shortShare(score)}`;

interface Props {
  store: Store;
  analysis: Analysis;
  edge: EdgeRef;
  parts: HeadPart[];
  /** The chosen head, or null for all together. */
  head: number | null;
  /** Σ of all heads, before thresholding; null while it is not known. */
  weight: number | null;
}

export function Heads({ store, analysis, edge, parts, head, weight }: Props) {
  const shown = shownIn(store);
  const { model, floor } = analysis.meta;
  const { layer } = edge.target;
  const reply = useReply(store, 'lmTransparency/headTags', {});
  const { position: query } = edge.target;
  const exact = useReply(store, 'lmTransparency/edgeHeads', { layer, query, key: edge.source.position });
  const pending = [exact, reply].find((one) => one?.state === 'asking') ?? null;
  const tags = (of: number): Tag[] =>
    reply?.state === 'known'
      ? (attempt(() => tagsOf(reply.result, model.nLayers, model.nHeads, layer, of)).value ?? [])
      : [];
  const tau = store.renormalize.value ? Math.fround(store.tau.value) : 0;
  const all = shown.allHeads.value === edgeName(edge) && head === null;
  const unitOf = (of: number): string => edgeUnit(layer, query, edge.source.position, of);
  const effects = useEffectColumn(
    store,
    Array.from({ length: model.nHeads }, (_, of) => unitOf(of)),
  );
  const ordered = effects.ordered(parts, (part) => unitOf(part.head));
  const promoted = usePromoted(
    store,
    Array.from({ length: model.nHeads }, (_, of) => unitOf(of)),
  );

  const row = (part: HeadPart): BarRow => {
    const { contribution } = part;
    const dropped = contribution === null || contribution <= tau;
    const own = tags(part.head);
    const strongest = own[0] && own[0][1] >= LEAST_TAG ? own[0] : null;
    const shownRow = effects.row(unitOf(part.head), {
      key: `h${part.head}`,
      data: { 'data-head': part.head },
      label: `H${part.head}`,
      value: contribution ?? 0,
      number: contribution === null ? `≤ ${share(floor)}` : share(contribution),
      title: headTitle(layer, part, floor, dropped, own),
      faint: dropped,
      selected: part.head === head,
      onPick: () => {
        shown.allHeads.value = null;
        store.select(withDetail(edgeName(edge), part.head));
      },
      note: (
        <>
          <span class="figure">{part.probability === null ? pendingMark(exact) : share(part.probability)}</span>
          <span class="tag">{strongest ? tagText(strongest) : pendingMark(reply)}</span>
        </>
      ),
    });
    return promoted.row(unitOf(part.head), shownRow);
  };
  const chosenAt = ordered.findIndex((part) => part.head === head);
  const table: Table = {
    name: 'heads',
    of: edgeName(edge),
    columns: [
      ...['layer', 'head', 'contribution', 'attention probability', 'rank of the key', 'tag', 'score of the tag'],
      'promotes',
      ...(effects.shown ? EFFECT_COLUMNS : []),
    ],
    rows: () =>
      ordered.map((part) => {
        const [word = '', score = ''] = tags(part.head)[0] ?? [];
        const own = [layer, part.head, part.contribution ?? '', part.probability ?? '', place(part.rank), word, score];
        return [...own, promoted.texts(unitOf(part.head)).join(' '), ...effects.cells(unitOf(part.head))];
      }),
  };
  return (
    <Section title="Heads" store={store} help="heads" table={table}>
      <div class="head-list">
        <div class="bar-row column-names" aria-hidden="true">
          <span />
          {effects.shown && <span class="column-name">effect</span>}
          <span class="column-name">contribution</span>
          <span class="column-name">attention</span>
          <span class="column-name">measured as</span>
        </div>
        <button
          type="button"
          class={`bar-row all${all ? ' selected' : ''}`}
          data-testid="all-heads"
          aria-pressed={all}
          title={`Show the maps of all ${model.nHeads} heads together. The contributions of all heads sum to the edge's, before thresholding.`}
          onClick={() => {
            shown.allHeads.value = edgeName(edge);
            store.select(edgeName(edge));
          }}
        >
          <span class="label">All {model.nHeads} heads</span>
          {effects.shown && <span />}
          <span class="sum number">{weight === null ? '' : share(weight)}</span>
        </button>
        {pending && <Waiting reply={pending} what="What the heads attend to" quiet />}
        <BarList store={store} rows={ordered.map(row)} testId="heads" first={Math.max(FIRST_HEADS, chosenAt + 1)} />
      </div>
    </Section>
  );
}

/** In place of a figure that the backend has yet to give. */
function pendingMark(reply: { state: string } | null) {
  return reply?.state === 'asking' ? <span class="pending" title="being computed" /> : null;
}

/** Counted from 1, as people do. */
const place = (rank: number | null): number | '' => (rank === null ? '' : rank + 1);

function headTitle(layer: number, part: HeadPart, floor: number, dropped: boolean, tags: Tag[]): string {
  const { head, contribution, probability } = part;
  const amount = contribution === null ? `contribution at most ${share(floor)}` : `contribution ${share(contribution)}`;
  return [
    `layer ${layer}, head ${head}: ${amount}`,
    ...(dropped ? ['under the threshold'] : []),
    ...(probability === null ? [] : [`attention probability ${share(probability)}`]),
    ...(tags.length > 0 ? [`attention on repeated random tokens: ${tags.map(tagText).join(' · ')}`] : []),
  ].join(', ');
}
