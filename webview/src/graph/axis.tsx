/** The axes over and under the columns: predictions, tokens, and each one's effect or the mass that arrives at it. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import { useMemo } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { answerAt, answerInWords, classifies } from '../words/answer';
import type { Analysis } from '../analysis/payload';
import { tokensInWords } from '../effects/inWords';
import { figureIn } from '../effects/table';
import type { Store } from '../store/state';
import { effectWords } from '../words/effect';
import { ordinalAt } from '../words/repeats';
import { shortShare, tokenLabel } from '../words/words';
import { SCAFFOLD, isFold, sizeOf } from '../groups/grouping';
import type { Columns } from '../groups/grouping';
import { EffectBar, columnEffects } from './effectRow';
import { GroupChip, GroupLines } from './groupAxis';
import { FoldBrackets, FoldChip, ScaffoldChip } from './foldAxis';
import { GROUP_LINE, chipStyle, columnWidth, columnX, nearestColumn } from './layout';
import type { Frame } from './layout';
import { PREDICTION_MIN, chipPlace, neighbourPlace } from './predictionPlace';
import type { Place } from './predictionPlace';
import type { GraphView } from './view';
import { px } from './layout';

interface Props {
  store: Store;
  view: GraphView;
}

/** Height of the largest bar, in pixels. */
const BAR_HEIGHT = 34;
/** Columns that are at least partly in view. */
function columnsInView(frame: Frame, nColumns: number): number[] {
  const { plot } = frame;
  const first = Math.max(0, nearestColumn(frame, nColumns, plot.x - 1));
  const last = Math.min(nColumns - 1, nearestColumn(frame, nColumns, plot.x + plot.width + 1));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}

/** The columns move as one: panning sets one transform and causes no new layout. */
function Moving({ frame, children }: { frame: Frame; children: ComponentChildren }) {
  return (
    <div class="moving" style={{ transform: `translateX(${px(frame.x0)})` }}>
      {children}
    </div>
  );
}

/** Narrow columns show every nth token, and always those that matter. */
function labelled(store: Store, columns: Columns, column: number, everyNth: number): boolean {
  const matters = [store.target.value, store.editorPosition.value].map((position) => columns.of[position ?? -1]);
  if (matters.includes(column)) return true;
  const crowded = matters.some((other) => other !== undefined && Math.abs(other - column) < everyNth);
  return column % everyNth === 0 && !crowded;
}

export function PredictionRow({ store, view }: Props) {
  const analysis = store.analysis.value;
  const frame = view.frame.value;
  if (!analysis || !frame) return null;
  const columns = view.columns.value;
  const target = store.target.value;
  const chip = chipPlace(answerAt(analysis, target).text, target, frame);
  return (
    <div class="predictions" style={{ clipPath: `inset(0 0 0 ${px(frame.plot.x - 2)})` }}>
      <Moving frame={frame}>
        {columnsInView(frame, columns.nColumns)
          .filter((column) => sizeOf(columns, column) === 1)
          .map((column) => columns.first[column]!)
          .filter((t) => frame.dx >= PREDICTION_MIN || t === target)
          .map((t) => (
            <Prediction
              key={t}
              store={store}
              analysis={analysis}
              position={t}
              frame={frame}
              place={t === target ? chip : neighbourPlace(t, chip, frame)}
            />
          ))}
      </Moving>
    </div>
  );
}

interface PredictionProps {
  store: Store;
  analysis: Analysis;
  position: number;
  frame: Frame;
  place: Place;
}

function Prediction({ store, analysis, position, frame, place }: PredictionProps) {
  const { text, figure, probability } = answerAt(analysis, position);
  const words = answerInWords(analysis, position, tokenLabel(analysis.meta.tokens[position]!, position));
  const isTarget = store.target.value === position;
  const likely = probability >= 0.5 ? ' likely' : '';
  return (
    <button
      type="button"
      tabIndex={-1}
      class={`prediction${isTarget ? ' target' : likely}`}
      data-testid={`prediction-${position}`}
      aria-pressed={isTarget}
      aria-label={
        classifies(analysis.meta.model)
          ? `${words}, token ${position}`
          : `prediction after token ${position}: ${text} ${figure}`
      }
      title={words}
      style={{ left: px(place.left - frame.x0), width: px(place.width) }}
      onClick={() => store.setTarget(position)}
    >
      <bdi class="token">{text}</bdi> <span class="number">{figure}</span>
    </button>
  );
}

export function TokenRow({ store, view }: Props) {
  const analysis = store.analysis.value;
  const frame = view.frame.value;
  const layout = view.layout.value;
  const masses = massesOf(store, view);
  const table = store.effects.value;
  const effects = useMemo(() => table && columnEffects(table, view.columns.value), [table, view.columns.value]);
  if (!analysis || !frame || !layout || !masses) return null;
  const columns = view.columns.value;
  const style = chipStyle(layout, frame.dx);
  const everyNth = style === 'hidden' ? Math.ceil(16 / frame.dx) : 1;
  let mostMass = 1e-9;
  for (let column = 0; column < columns.nColumns; column++) mostMass = Math.max(mostMass, masses[column]!);
  const top = frame.plot.y + frame.plot.height;
  const massTop = top + layout.chipsHeight;
  const groupLine = columns.grouped && !columns.kind ? GROUP_LINE : 0;
  const chipHeight = layout.chipsHeight - 8 - groupLine;
  const hasLabel = (column: number): boolean => labelled(store, columns, column, everyNth);
  const inView = columnsInView(frame, columns.nColumns);
  const size = (column: number): number => (effects ? Math.abs(effects.sums.value[column]!) : masses[column]!);
  const told = thinned(inView, Math.ceil(BAR_LEAST / frame.dx), size, hasLabel);
  const chipOf = (column: number) => {
    const about = { store, view, analysis, column };
    if (isFold(columns, column)) return <FoldChip {...about} height={layout.chipsHeight + layout.massHeight - 10} />;
    if (columns.kind?.[column] === SCAFFOLD) return <ScaffoldChip {...about} height={chipHeight} />;
    if (sizeOf(columns, column) > 1) return <GroupChip {...about} height={chipHeight} />;
    return <Chip store={store} analysis={analysis} position={columns.first[column]!} height={chipHeight} />;
  };
  return (
    <div class={`tokens ${style}`}>
      <span class="axis-label" style={{ top: px(top + 8) }}>
        prompt
      </span>
      <span
        class="axis-label"
        style={{ top: px(massTop + 2) }}
        title={
          effects
            ? `What the prediction loses ${tokensInWords(effects.table.known)}: blue supports it, rose opposes it`
            : "how much of the target's mass arrives at each token"
        }
      >
        {effects ? 'effect' : 'mass'}
      </span>
      <div class="columns" style={{ clipPath: `inset(0 0 0 ${px(frame.plot.x - 2)})` }}>
        <Moving frame={frame}>
          {told.map((column) => {
            const t = columns.first[column]!;
            return (
              <div
                key={t}
                class="column"
                style={{
                  left: px(columnX(frame, column - 0.5) - frame.x0),
                  width: px(columnWidth(frame, column)),
                  top: px(top),
                }}
              >
                {hasLabel(column) && chipOf(column)}
                {isFold(columns, column) ? null : effects ? (
                  <EffectBar
                    {...{ effects, column, columns }}
                    mass={masses[column]!}
                    most={BAR_HEIGHT}
                    top={layout.chipsHeight}
                    wide={frame.dx >= 26}
                  />
                ) : (
                  <Mass
                    value={masses[column]!}
                    height={(BAR_HEIGHT * masses[column]!) / mostMass}
                    top={layout.chipsHeight}
                    wide={frame.dx >= 26}
                  />
                )}
              </div>
            );
          })}
          {groupLine > 0 && (
            <GroupLines store={store} view={view} inView={inView} frame={frame} top={massTop - GROUP_LINE - 1} />
          )}
          <FoldBrackets store={store} view={view} frame={frame} top={massTop - 6} />
        </Moving>
      </div>
      {view.pannable.value && <Range view={view} />}
    </div>
  );
}

/** Least width of a bar in pixels; columns that share a bar show the largest value. */
const BAR_LEAST = 2;

function thinned(
  inView: number[],
  together: number,
  size: (column: number) => number,
  kept: (column: number) => boolean,
): number[] {
  if (together <= 1) return inView;
  const told: number[] = [];
  for (let i = 0; i < inView.length; i += together) {
    const some = inView.slice(i, i + together);
    const most = some.reduce((best, column) => (size(column) > size(best) ? column : best));
    told.push(...some.filter((column) => kept(column) || (column === most && size(column) > 0)));
  }
  return told;
}

/** The mass that arrives at each column's tokens. */
function massesOf(store: Store, view: GraphView): Float64Array | null {
  const shown = store.shown.value;
  return shown && shown.columns === view.columns.value ? shown.mass : (store.routes.value?.mass ?? null);
}

/** Which part of the columns is in view. */
function Range({ view }: { view: GraphView }) {
  const layout = view.layout.value;
  const camera = view.camera.value;
  if (!layout || !camera) return null;
  const { plot } = layout;
  const whole = layout.width * camera.scaleX;
  if (whole <= plot.width + 1) return null;
  const top = plot.y + plot.height + layout.chipsHeight + layout.massHeight - 4;
  const left = plot.x + (plot.width * camera.offsetX) / whole;
  return (
    <>
      <div class="range" style={{ top: px(top), left: px(plot.x), width: px(plot.width) }} />
      <div
        class="range in-view"
        style={{ top: px(top), left: px(left), width: px((plot.width * plot.width) / whole) }}
      />
    </>
  );
}

interface ChipProps {
  store: Store;
  analysis: Analysis;
  position: number;
  height: number;
}

function Chip({ store, analysis, position, height }: ChipProps) {
  const token = analysis.meta.tokens[position]!;
  const label = tokenLabel(token, position);
  const names = ['chip'];
  if (position === store.target.value) names.push('target');
  if (position === store.editorPosition.value) names.push('current');
  if (token.special) names.push('special');
  if (token.template) names.push('template');
  if (isSelected(store, position)) names.push('selected');
  return (
    <button
      type="button"
      tabIndex={-1}
      class={names.join(' ')}
      data-testid={`token-${position}`}
      aria-pressed={position === store.target.value}
      aria-label={`token ${position}: ${label}${ordinalAt(analysis, position)}${token.template ? ', put in by the chat template' : ''}${effectOf(store, position)}`}
      title={chipTitle(analysis, position)}
      style={{ height: px(height) }}
      onClick={() => store.setTarget(position)}
    >
      <bdi class="token">
        {label}
        <span class="ordinal">{ordinalAt(analysis, position)}</span>
      </bdi>
    </button>
  );
}

/** ", effect +2.67, measured" */
function effectOf(store: Store, position: number): string {
  const tokens = store.effects.value?.tokens;
  const figure = tokens && figureIn(tokens, position);
  return figure ? `, ${effectWords(figure)}` : '';
}

function chipTitle(analysis: Analysis, position: number): string {
  const token = analysis.meta.tokens[position];
  if (!token) return '';
  const { text, figure } = answerAt(analysis, position);
  const whose = token.template ? ' · put in by the chat template' : '';
  const own = `${token.special ? token.text : tokenLabel(token, position)} · position ${position} · id ${token.id}${whose}`;
  const what = classifies(analysis.meta.model) ? answerInWords(analysis, position, 'here') : `next: ${text} ${figure}`;
  return `${own}\n${what}`;
}

/** The marked token of a selection: a node's own, or an edge's source. */
function isSelected(store: Store, position: number): boolean {
  const name = store.selection.value;
  return name !== null && new RegExp(`^([a-z]+:)?[A-Z]\\d+_${position}(>|$)`).test(name);
}

function Mass({ value, height, top, wide }: { value: number; height: number; top: number; wide: boolean }) {
  return (
    <div class="mass" style={{ top: px(top) }} title={`mass ${value.toFixed(4)}`}>
      <div class="bar" style={{ height: px(Math.max(value > 0 ? 1 : 0, height)) }} />
      {wide && value >= 0.005 && <span class="number">{shortShare(value)}</span>}
    </div>
  );
}
