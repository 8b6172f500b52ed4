/** What a node says in tokens: the top of its logit lens, what its block promotes and suppresses. */
import type { NodeTokensResult, TokenScore } from '../../../extension/shared/protocol';
import { useReply } from '../ask';
import type { Store } from '../state';
import { percent, signed, visibleText } from '../words';
import { Section, TextBars } from './parts';
import type { TextBar } from './parts';

const UPDATE_ROWS = 8;

/** The tokens that a node (`I22_3`, `M5_2` …) speaks of. */
export function LensLists({ store, node }: { store: Store; node: string }) {
  const asked = { node, topK: 30, updateK: 15, normalize: store.lensNormalized.value };
  const reply = useReply(store, 'lmTransparency/nodeTokens', asked);
  switch (reply?.state) {
    case undefined:
      return null;
    case 'asking':
      return (
        <Section title="Top tokens">
          <ol class="text-bars waiting" aria-busy="true">
            {Array.from({ length: 6 }, (_, i) => (
              <li key={i} />
            ))}
          </ol>
        </Section>
      );
    case 'failed':
      return (
        <Section title="Top tokens">
          <p class="dim" role="status">
            {store.offline.value === null ? reply.message : 'The backend is offline; its answer is needed for this.'}
          </p>
        </Section>
      );
    case 'known':
      return <Known store={store} result={reply.result} />;
  }
}

function Known({ store, result }: { store: Store; result: NodeTokensResult }) {
  return (
    <>
      {result.top.length > 0 && (
        <Section title="Top tokens" aside={<NormToggle store={store} />}>
          <TextBars
            rows={result.top.map((score, k) => topRow(score, k, result.top))}
            tone="plain"
            testId="top-tokens"
          />
        </Section>
      )}
      <div class="pair">
        {result.promoted.length > 0 && (
          <Section title="Promotes">
            <TextBars rows={updateRows(result.promoted)} tone="up" testId="promoted" />
          </Section>
        )}
        {result.suppressed.length > 0 && (
          <Section title="Suppresses">
            <TextBars rows={updateRows(result.suppressed)} tone="down" testId="suppressed" />
          </Section>
        )}
      </div>
    </>
  );
}

function NormToggle({ store }: { store: Store }) {
  const on = store.lensNormalized.value;
  return (
    <button
      type="button"
      class={`quiet small${on ? ' on' : ''}`}
      aria-pressed={on}
      title="Apply the model's final norm before the unembedding"
      onClick={() => (store.lensNormalized.value = !on)}
    >
      final norm
    </button>
  );
}

/** Bars show the probability itself, unless all of them are small. */
function topRow(score: TokenScore, k: number, all: TokenScore[]): TextBar {
  const most = Math.max(...all.map((entry) => entry.probability), 1e-9);
  const change =
    score.rankChange === 0
      ? ''
      : `, ${score.rankChange > 0 ? 'up' : 'down'} ${Math.abs(score.rankChange)} against the node before`;
  return {
    key: `${k}`,
    text: visibleText(score.text),
    fraction: most > 0.2 ? score.probability : score.probability / most / 2,
    number: percent(score.probability),
    change: score.rankChange,
    title: `'${score.text}' ${percent(score.probability)}, logit ${score.logit.toFixed(2)}${change}`,
  };
}

function updateRows(scores: TokenScore[]): TextBar[] {
  const most = Math.max(1e-9, ...scores.map((score) => Math.abs(score.logit)));
  return scores.slice(0, UPDATE_ROWS).map((score, k) => ({
    key: `${k}`,
    text: visibleText(score.text),
    fraction: Math.abs(score.logit) / most,
    number: signed(score.logit),
    title: `'${score.text}' logit ${signed(score.logit)}`,
  }));
}
