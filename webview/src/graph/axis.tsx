/** What stands over and under the columns: predictions, tokens, and the mass that arrives at each. */
/* eslint-disable @typescript-eslint/no-non-null-assertion -- indices into columns are in range by construction */
import type { ComponentChildren } from 'preact';
import { answerAt, answerInWords, classifies } from '../answer';
import type { Analysis } from '../payload';
import type { Store } from '../state';
import { shortShare, tokenLabel } from '../words';
import { BAND_WIDTH, FLAT_MIN, chipStyle, columnX } from './layout';
import type { Frame } from './layout';
import type { GraphView } from './view';
import { px } from '../px';

interface Props {
  store: Store;
  view: GraphView;
}

/** Height of the largest mass bar, in pixels. */
const BAR_HEIGHT = 26;
const PREDICTION_MIN = 30;
/** A neighbour's prediction that the target's chip covers by more pixels than this is left out. */
const COVERED = 5;
/** Width of a character of the token font, as a share of its size. */
const CHARACTER = 0.61;

/** One font size for all tokens, 9 to 11 pixels: six characters fit a column. */
const fontSize = (columnWidth: number): string => px(Math.max(9, Math.min(11, (columnWidth - 5) / 6 / CHARACTER)));

/** Columns that are at least partly in view. */
function columnsInView(frame: Frame, nTokens: number): number[] {
  const { plot, dx } = frame;
  const columns: number[] = [];
  for (let t = 0; t < nTokens; t++) {
    const x = columnX(frame, t);
    if (x >= plot.x - dx / 2 - 1 && x <= plot.x + plot.width + dx / 2 + 1) columns.push(t);
  }
  return columns;
}

/** What stands at a column moves as one: panning sets one transform, and nothing is laid out again. */
function Moving({ frame, children }: { frame: Frame; children: ComponentChildren }) {
  return (
    <div class="moving" style={{ transform: `translateX(${px(frame.x0)})` }}>
      {children}
    </div>
  );
}

/** Narrow columns show every nth token, and always those that matter. */
function labelled(store: Store, position: number, everyNth: number): boolean {
  const matters = [store.target.value, store.editorPosition.value];
  if (matters.includes(position)) return true;
  const crowded = matters.some((other) => other !== null && Math.abs(other - position) < everyNth);
  return position % everyNth === 0 && !crowded;
}

export function PredictionRow({ store, view }: Props) {
  const analysis = store.analysis.value;
  const frame = view.frame.value;
  if (!analysis || !frame) return null;
  const { tokens } = analysis.meta;
  const everyNth = Math.max(1, Math.ceil(PREDICTION_MIN / frame.dx));
  const target = store.target.value;
  const chip = targetChip(analysis, target, frame);
  const covered = (t: number): boolean => {
    const [left, right] = [columnX(frame, t - 0.5), columnX(frame, t + 0.5)];
    return t !== target && Math.min(right, chip.left + chip.width) - Math.max(left, chip.left) > COVERED;
  };
  return (
    <div class="predictions" style={{ clipPath: `inset(0 0 0 ${px(frame.plot.x - 2)})` }}>
      <Moving frame={frame}>
        {columnsInView(frame, tokens.length)
          .filter((t) => (everyNth === 1 ? !covered(t) : t === target))
          .map((t) => (
            <Prediction key={t} store={store} analysis={analysis} position={t} frame={frame} />
          ))}
      </Moving>
    </div>
  );
}

function Prediction({
  store,
  analysis,
  position,
  frame,
}: {
  store: Store;
  analysis: Analysis;
  position: number;
  frame: Frame;
}) {
  const { text, figure, probability } = answerAt(analysis, position);
  const words = answerInWords(analysis, position, tokenLabel(analysis.meta.tokens[position]!, position));
  const isTarget = store.target.value === position;
  const likely = probability >= 0.5 ? ' likely' : '';
  const width = frame.dx - 2;
  const chip = isTarget ? targetChip(analysis, position, frame) : { left: columnX(frame, position) - width / 2, width };
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
      style={{ left: px(chip.left - frame.x0), width: px(chip.width) }}
      onClick={() => store.setTarget(position)}
    >
      <bdi class="token" style={{ fontSize: isTarget ? px(12) : fontSize(frame.dx) }}>
        {text}
      </bdi>{' '}
      <span class="number">{figure}</span>
    </button>
  );
}

/** What the model predicts at the target stands on a chip as wide as its text. */
function targetChip(analysis: Analysis, position: number, frame: Frame): { left: number; width: number } {
  const { text } = answerAt(analysis, position);
  const ownWidth = Math.min(120, [...text].length * 12 * CHARACTER + 10);
  const width = Math.max(44, Math.min(frame.dx - 2, BAND_WIDTH), ownWidth);
  return { left: clampCentre(columnX(frame, position), width, frame), width };
}

/** Keeps a label wider than its column inside the plot. */
function clampCentre(x: number, width: number, frame: Frame): number {
  const right = frame.plot.x + frame.plot.width + 8 - width;
  return Math.max(frame.plot.x - 2, Math.min(right, x - width / 2));
}

export function TokenRow({ store, view }: Props) {
  const analysis = store.analysis.value;
  const frame = view.frame.value;
  const layout = view.layout.value;
  const routes = store.routes.value;
  if (!analysis || !frame || !layout || !routes) return null;
  const { tokens } = analysis.meta;
  const style = layout.chipsHeight > 40 && frame.dx >= FLAT_MIN ? 'flat' : chipStyle(frame.dx);
  const everyNth = style === 'hidden' ? Math.ceil(16 / frame.dx) : 1;
  const mostMass = Math.max(1e-9, ...routes.mass.subarray(0, tokens.length));
  const top = frame.plot.y + frame.plot.height;
  const massTop = top + layout.chipsHeight;
  return (
    <div class={`tokens ${style}`}>
      <span class="axis-label" style={{ top: px(top + 8) }}>
        prompt
      </span>
      <span
        class="axis-label"
        style={{ top: px(massTop + 2) }}
        title="how much of the target's mass arrives at each token"
      >
        mass
      </span>
      <div class="columns" style={{ clipPath: `inset(0 0 0 ${px(frame.plot.x - 2)})` }}>
        <Moving frame={frame}>
          {columnsInView(frame, tokens.length).map((t) => (
            <div key={t} class="column" style={{ left: px((t - 0.5) * frame.dx), width: px(frame.dx), top: px(top) }}>
              {labelled(store, t, everyNth) && (
                <Chip
                  store={store}
                  analysis={analysis}
                  position={t}
                  height={layout.chipsHeight - 8}
                  width={style === 'flat' ? frame.dx : 100}
                />
              )}
              <Mass
                value={routes.mass[t]!}
                height={(BAR_HEIGHT * routes.mass[t]!) / mostMass}
                top={layout.chipsHeight}
                wide={frame.dx >= 26}
              />
            </div>
          ))}
        </Moving>
      </div>
      {view.pannable.value && <Range view={view} />}
    </div>
  );
}

/** Which part of the columns is in view. */
function Range({ view }: { view: GraphView }) {
  const layout = view.layout.value;
  const camera = view.camera.value;
  if (!layout || !camera) return null;
  const { plot, columnWidth, nTokens } = layout;
  const whole = columnWidth * nTokens * camera.scaleX;
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
  width: number;
}

function Chip({ store, analysis, position, height, width }: ChipProps) {
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
      aria-label={`token ${position}: ${label}${token.template ? ', put in by the chat template' : ''}`}
      title={chipTitle(analysis, position)}
      style={{ height: px(height) }}
      onClick={() => store.setTarget(position)}
    >
      <bdi class="token" style={{ fontSize: fontSize(width) }}>
        {label}
      </bdi>
    </button>
  );
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

/** A token is marked with what is selected: the node's own, of an edge where it comes from. */
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
