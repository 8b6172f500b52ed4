/** A node in tokens: the top of its lens, and what its block promotes and suppresses. */
import type { ComponentChildren } from 'preact';
import type { NodeTokensResult, TokenScore, Update } from '../../../extension/shared/protocol';
import { namesOf, outputFigure, outputText } from '../words/answer';
import { useLatest } from '../store/ask';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { percent, signed, valueText } from '../words/words';
import type { HelpTopic } from './help';
import { LensMark } from './lensMark';
import { NoAnswer, Section, TextBars, Waiting } from './parts';
import type { TextBar } from './parts';

const TOP = { asked: 30, first: 10 };
const UPDATE = { asked: 15, first: 8 };

/** The tokens that a node (`I22_3`, `M5_2` …) speaks of; for another node this is another component. */
export function LensLists({ store, node }: { store: Store; node: string }) {
  return <Lists key={node} store={store} node={node} />;
}

function Lists({ store, node }: { store: Store; node: string }) {
  const asked = { node, topK: TOP.asked, updateK: UPDATE.asked, ...store.lenses.reading.value };
  const { reply, latest } = useLatest(store, 'lmTransparency/nodeTokens', asked);
  const names = namesOf(store.analysis.value?.meta.model);
  const title = node.startsWith('M') ? names.promotes : names.top;
  if (reply?.state === 'failed') return <NoAnswer store={store} title={title} message={reply.message} />;
  if (!latest) return <Waiting title={title} rows={node.startsWith('M') ? UPDATE.first : TOP.first} />;
  return <Known store={store} result={latest} />;
}

function Known({ store, result }: { store: Store; result: NodeTokensResult }) {
  const { node, top, update } = result;
  const names = namesOf(store.analysis.value?.meta.model);
  return (
    <>
      {top.length > 0 && (
        <Section
          title={names.top}
          store={store}
          help="top-tokens"
          table={scoreTable('top-tokens', node, top, names.column)}
          aside={<NormToggle store={store} />}
        >
          <TextBars
            rows={top.map((score, k) => topRow(store, score, k, top))}
            tone="plain"
            testId="top-tokens"
            first={TOP.first}
          />
        </Section>
      )}
      <UpdateLists store={store} of={node} update={update} />
    </>
  );
}

interface UpdateProps {
  store: Store;
  /** The selection that the lists belong to. */
  of: string;
  update: Update;
  /** Before the test ids and the names of the tables: "neuron-". */
  prefix?: string;
  titles?: [promotes: string, suppresses: string];
  help?: HelpTopic;
  /** On a separate line over the lists. */
  aside?: ComponentChildren;
}

/** The tokens that an update makes more and less likely, side by side. */
export function UpdateLists({ store, of, update, prefix = '', titles, help, aside }: UpdateProps) {
  const names = namesOf(store.analysis.value?.meta.model);
  const lists = [
    { name: 'promoted', title: titles?.[0] ?? names.promotes, scores: update.promoted, tone: 'up' },
    { name: 'suppressed', title: titles?.[1] ?? names.suppresses, scores: update.suppressed, tone: 'down' },
  ] as const;
  return (
    <div class="pair">
      {aside !== undefined && <div class="aside">{aside}</div>}
      {lists.map(
        ({ name, title, scores, tone }) =>
          scores.length > 0 && (
            <Section
              key={name}
              title={title}
              store={store}
              help={help ?? 'promoted-and-suppressed'}
              table={updateTable(`${prefix}${name}`, of, scores, names.column)}
            >
              <TextBars rows={updateRows(scores, store)} tone={tone} testId={`${prefix}${name}`} first={UPDATE.first} />
            </Section>
          ),
      )}
    </div>
  );
}

/** How lists are read: by which lens, and through the model's final norm or not. */
export function NormToggle({ store }: { store: Store }) {
  const on = store.lensNormalized.value;
  // recorded answers are those with it
  if (store.recording) return null;
  return (
    <>
      <LensMark store={store} />
      <button
        type="button"
        class={`quiet small${on ? ' on' : ''}`}
        data-testid="norm-toggle"
        aria-pressed={on}
        title="Normalize before the unembedding: apply the model’s final norm first"
        onClick={() => (store.lensNormalized.value = !on)}
      >
        final norm
      </button>
    </>
  );
}

/** A click follows the token through the layers, a second one stops that. */
export function following(store: Store, token: { id: number; text: string }): Pick<TextBar, 'onPick' | 'picked'> {
  const picked = store.rival.value?.id === token.id;
  return { picked, onPick: () => (store.rival.value = picked ? null : { id: token.id, text: token.text }) };
}

const FOLLOW = 'Click to follow it in the Lens view';

/** Bars show the probability itself, unless all of them are small. */
function topRow(store: Store, score: TokenScore, k: number, all: TokenScore[]): TextBar {
  const model = store.analysis.value?.meta.model;
  const most = Math.max(...all.map((entry) => entry.probability ?? 0), 1e-9);
  const probability = score.probability ?? 0;
  const gained = score.rankChange ?? 0;
  const change = gained === 0 ? '' : `, ${gained > 0 ? 'up' : 'down'} ${Math.abs(gained)} against the node before`;
  return {
    key: `${k}`,
    text: outputText(model, score.text),
    fraction: most > 0.2 ? probability : probability / most / 2,
    number: outputFigure(model, probability, score.logit),
    change: gained,
    title: `'${score.text}' ${model?.task === 'value' ? '' : `${percent(probability)}, `}logit ${score.logit.toFixed(2)}${change}. ${FOLLOW}`,
    ...following(store, score),
  };
}

/** With the store, a click follows the token. */
export function updateRows(scores: TokenScore[], store?: Store): TextBar[] {
  const most = Math.max(1e-9, ...scores.map((score) => Math.abs(score.logit)));
  return scores.map((score, k) => ({
    key: `${k}`,
    text: outputText(store?.analysis.value?.meta.model, score.text),
    fraction: Math.abs(score.logit) / most,
    number: signed(score.logit),
    title: `'${score.text}' logit ${valueText(score.logit)}${store ? `. ${FOLLOW}` : ''}`,
    ...(store && following(store, score)),
  }));
}

function scoreTable(name: string, of: string, scores: TokenScore[], column: string): Table {
  return {
    name,
    of,
    columns: ['rank', 'id', column, 'logit', 'probability', 'rank_change'],
    rows: () =>
      scores.map(({ id, text, logit, probability, rankChange }, k) => {
        return [k, id, text, logit, probability ?? '', rankChange ?? 0];
      }),
  };
}

function updateTable(name: string, of: string, scores: TokenScore[], column: string): Table {
  return {
    name,
    of,
    columns: ['id', column, 'logit'],
    rows: () => scores.map(({ id, text, logit }) => [id, text, logit]),
  };
}
