/** The experts of a feed-forward block at one position, and how the router chose them. */
import type { ExpertShare, FfnExpertsResult, RouterScore } from '../../../extension/shared/protocol';
import { useLatest } from '../store/ask';
import { expertTitle } from '../words/describe';
import { nodeName, nodeRef, withExpert } from '../words/names';
import type { Store } from '../store/state';
import { count, scientific, share, signed, visibleText } from '../words/words';
import { EFFECT_COLUMNS, useEffectColumn } from './effectColumn';
import { BarList, NoAnswer, Section, Waiting } from './parts';
import type { BarRow } from './parts';

/** Tokens beside each expert. */
const TOKENS = 5;

interface Props {
  store: Store;
  layer: number;
  position: number;
}

export function Experts({ store, layer, position }: Props) {
  const asked = { layer, position, topK: TOKENS, ...store.lenses.reading.value };
  const { reply, latest } = useLatest(store, 'lmTransparency/ffnExperts', asked);
  if (reply?.state === 'failed') return <NoAnswer store={store} title="Experts" message={reply.message} />;
  if (latest?.layer !== layer || latest.position !== position) return <Waiting title="Experts" rows={8} />;
  const block = nodeName(nodeRef('M', layer, position));
  return (
    <>
      {latest.notice !== null && (
        <p class="unsure" role="alert" data-testid="experts-notice">
          {latest.notice}
        </p>
      )}
      <Active store={store} block={block} result={latest} />
      <Router store={store} block={block} result={latest} />
    </>
  );
}

interface ListProps {
  store: Store;
  block: string;
  result: FfnExpertsResult;
}

/** The chosen and the shared experts, each as a separate part. */
function Active({ store, block, result }: ListProps) {
  const { experts, expertsTotal, residual, bias } = result;
  const most = Math.max(1e-9, ...experts.map((entry) => entry.gate));
  const unitOf = (entry: ExpertShare): string => withExpert(block, entry.expert);
  const effects = useEffectColumn(store, experts.map(unitOf));
  const ordered = effects.ordered(experts, unitOf);
  return (
    <Section
      title="Experts"
      store={store}
      help="experts"
      table={{
        name: 'experts',
        of: block,
        columns: ['expert', 'gate', 'contribution', 'promotes', ...(effects.shown ? EFFECT_COLUMNS : [])],
        rows: () =>
          ordered.map((entry) => [
            ...[entry.expert, entry.gate, entry.contribution, promotedBy(entry).join(' ')],
            ...effects.cells(unitOf(entry)),
          ]),
      }}
      aside={<span class="plain-note">{effects.shown && 'effect · '}contribution · gate</span>}
    >
      <BarList
        store={store}
        rows={ordered.map((entry) => effects.row(unitOf(entry), expertRow(entry, block, most)))}
        testId="experts"
      />
      <p class="dim rest" data-testid="expert-sum" title={sumTitle(result)}>
        {experts.length} experts together {share(expertsTotal)}, residual {share(residual)}, bias {share(bias)}
      </p>
    </Section>
  );
}

const promotedBy = (entry: ExpertShare): string[] => entry.promoted.map((score) => visibleText(score.text));

function expertRow(entry: ExpertShare, block: string, most: number): BarRow {
  const named = expertTitle(entry.expert);
  return {
    key: entry.expert,
    label: <span class="token">{shortName(entry.expert)}</span>,
    value: entry.contribution,
    number: share(entry.contribution),
    note: (
      <>
        <span class="gate note number">
          <span class="meter" style={{ width: `${(Math.max(0, entry.gate) / most) * 100}%` }} />
          <span>{share(entry.gate)}</span>
        </span>
        <span class="says">
          {entry.promoted.map((score) => (
            <bdi key={score.id} class="token">
              {visibleText(score.text)}
            </bdi>
          ))}
        </span>
      </>
    ),
    title: `${named}: contribution ${share(entry.contribution)}, gate ${share(entry.gate)}, promotes ${promotedBy(entry).join(' ')}`,
    name: withExpert(block, entry.expert),
    ink: 'ffn',
    data: { 'data-expert': entry.expert },
  };
}

/** "@3", "shared". */
export const shortName = (expert: string): string => (/^\d/.test(expert) ? `@${expert}` : expert);

function sumTitle({ blockContribution, error }: FfnExpertsResult): string {
  return (
    'Each expert counted as a separate part: with the residual and the bias they sum to 1. As one part the block contributes ' +
    `${share(blockContribution)}: what its experts cancel out among themselves is not counted there. The experts sum to what the ` +
    `block wrote within ${scientific(error)} of its norm.`
  );
}

/** Who was chosen, and who nearly was. */
function Router({ store, block, result }: ListProps) {
  const { router, scoring, nExperts } = result;
  if (router.length === 0) return null;
  return (
    <Section
      title="Router"
      store={store}
      help="router"
      table={{
        name: 'router',
        of: block,
        columns: ['expert', 'logit', 'probability', 'gate'],
        rows: () => router.map((entry) => [entry.expert, entry.logit ?? '', entry.probability ?? '', entry.gate]),
      }}
      aside={
        <span class="plain-note">
          {scoring === 'unknown' ? 'logit' : scoring} of {count(nExperts)} experts
        </span>
      }
    >
      <BarList store={store} rows={routerRows(result, block)} testId="router" />
    </Section>
  );
}

function routerRows({ router, scoring }: FfnExpertsResult, block: string): BarRow[] {
  const lowest = Math.min(...router.map((entry) => entry.logit ?? 0));
  const scoreOf = ({ probability, logit }: RouterScore): string =>
    probability === null ? signed(logit ?? 0) : share(probability);
  return router.map((entry) => {
    const chosen = entry.gate !== 0;
    const said = chosen ? `chosen, gate ${share(entry.gate)}` : 'not chosen';
    return {
      key: `${entry.expert}`,
      label: <span class="token">@{entry.expert}</span>,
      value: entry.probability ?? (entry.logit ?? 0) - lowest,
      number: scoreOf(entry),
      note: <span class="note">{chosen ? 'chosen' : ''}</span>,
      title: `expert ${entry.expert}: ${entry.probability === null ? '' : `${scoring} ${share(entry.probability)}, `}logit ${signed(entry.logit ?? 0)}, ${said}`,
      faint: !chosen,
      name: withExpert(block, `${entry.expert}`),
      ink: chosen ? 'ffn' : 'bias',
      data: { 'data-router': entry.expert },
    };
  });
}
