/** Why the target, named or predicted, rather than another token: both through the layers. */
import { useEffect } from 'preact/hooks';
import type { LensTrack } from '../../../extension/shared/protocol';
import { toneOf } from '../effects/inWords';
import { outputFigure, outputText } from '../words/answer';
import { nodeName } from '../words/names';
import type { Store } from '../store/state';
import type { Table } from '../words/table';
import { count, percent, share, signed } from '../words/words';
import { following } from './lens';
import { namesShown, useNamed } from './named';
import { BarList, NoAnswer, Section, TextBars, Waiting } from './parts';

/** Layers that change the difference most. */
const LAYERS = 6;
/** Above this, a ratio of probabilities only says that it is large. */
const LARGE_ODDS = 1e6;

/** Follows the tokens that the file names in the Lens view from the start; what is chosen there later stays. */
export function followAbout(store: Store): void {
  const { value: about } = store.about;
  const named = useNamed(store, about)?.named ?? null;
  const { value: analysis } = store.analysis;
  const [target, contrast] = [named?.target ?? null, named?.contrast ?? null];
  useEffect(() => {
    const { wanted, rival } = store;
    if (!target || wanted.peek()) return;
    if (about?.target !== null) wanted.value = { id: target.token, text: target.text };
    if (contrast && !rival.peek()) rival.value = { id: contrast.token, text: contrast.text };
  }, [store, analysis, about, target, contrast]);
}

export function Contrast({ store }: { store: Store }) {
  const names = namesShown(store);
  const tracked = useNamed(store, names);
  if (!tracked) return null;
  const title = names?.contrast === null ? 'Named target' : 'Target against contrast';
  const { reply, named } = tracked;
  if (reply.state === 'failed') return <NoAnswer store={store} title={title} message={reply.message} />;
  if (!named) return <Waiting title={title} rows={2} />;
  const tracks = [named.target, named.contrast].filter((track) => track !== null);
  return <Compared store={store} title={title} tracks={tracks} notes={named.notes} />;
}

interface ComparedProps {
  store: Store;
  title: string;
  tracks: LensTrack[];
  /** The token that a text was read as, if there was a choice. */
  notes: string[];
}

function Compared({ store, title, tracks, notes }: ComparedProps) {
  const model = store.analysis.value?.meta.model;
  const last = (values: number[] | undefined): number => values?.at(-1) ?? 0;
  const rows = tracks.map((track, index) => ({
    key: `${index}`,
    text: outputText(model, track.text),
    fraction: last(track.probability),
    number: outputFigure(model, last(track.probability), last(track.logit)),
    title: `'${track.text}' ${percent(last(track.probability))}, rank ${last(track.rank) + 1}, logit ${signed(last(track.logit))}. Click to follow it in the Lens view`,
    ...following(store, { id: track.token, text: track.text }),
  }));
  const [target, contrast] = tracks;
  const differences = contrast ? (target?.logit ?? []).map((logit, row) => logit - (contrast.logit[row] ?? 0)) : [];
  const table: Table = {
    name: 'contrast',
    of: `position-${store.target.value}`,
    columns: ['row', ...tracks.map(({ text }) => `logit of ${text}`)],
    rows: () => (target?.logit ?? []).map((_, row) => [row, ...tracks.map(({ logit }) => logit[row] ?? 0)]),
  };
  return (
    <Section title={title} store={store} help="contrast" table={table}>
      <TextBars rows={rows} tone="plain" testId="named" />
      {notes.map((note) => (
        <p key={note} class="dim" data-testid="named-note">
          <bdi>{note}</bdi>
        </p>
      ))}
      {target && contrast && <Difference store={store} differences={differences} target={target} contrast={contrast} />}
    </Section>
  );
}

const factor = (odds: number): string => (odds < 100 ? share(odds) : count(Math.round(odds)));

interface DifferenceProps {
  store: Store;
  /** logit(target) − logit(contrast) of the embedding, then after each layer. */
  differences: number[];
  target: LensTrack;
  contrast: LensTrack;
}

function Difference({ store, differences, target, contrast }: DifferenceProps) {
  const analysis = store.analysis.value;
  const difference = differences.at(-1) ?? 0;
  const odds = Math.exp(Math.abs(difference));
  const task = analysis?.meta.model.task;
  // elsewhere probabilities are no softmax of these logits
  const hasOdds = task === 'token' || task === 'label';
  const name = (track: LensTrack) => outputText(analysis?.meta.model, track.text);
  const [more, less] = difference >= 0 ? [target, contrast] : [contrast, target];
  const changes = differences.slice(1).map((value, layer) => ({ layer, change: value - (differences[layer] ?? 0) }));
  const strongest = [...changes].sort((a, b) => Math.abs(b.change) - Math.abs(a.change)).slice(0, LAYERS);
  const rows = strongest.map(({ layer, change }) => ({
    key: `${layer}`,
    label: `layer ${layer}`,
    value: Math.abs(change),
    number: signed(change),
    title: `Layer ${layer} changes the logit difference by ${signed(change)}: it ${change >= 0 ? 'favours' : 'disfavours'} ${name(target)}`,
    ink: toneOf(change),
    name: nodeName({ letter: 'I', layer, position: store.target.value }),
  }));
  return (
    <>
      <p class="figures" data-testid="contrast">
        logit difference <b>{signed(difference)}</b>
        {hasOdds && (
          <>
            : <bdi class="token">{name(more)}</bdi> is {odds > LARGE_ODDS ? 'over a million' : factor(odds)} times as
            probable as <bdi class="token">{name(less)}</bdi>
          </>
        )}
      </p>
      <div class="row-names" aria-hidden="true">
        <span>layer</span>
        <span>change</span>
      </div>
      <BarList store={store} rows={rows} testId="contrast-layers" />
    </>
  );
}
