/** Why this token and not another one: a click or a text makes any other token the contrast that effects are counted on. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { effect, useSignal } from '@preact/signals';
import { namesOf, outputText } from '../words/answer';
import type { Rival, Store } from '../store/state';
import { Waiting } from '../controls/waiting';
import { predictedAt } from '../analysis/payload';
import { idOf, useNamed, useToken } from './named';
import type { Named } from './named';
import { OFFLINE } from './parts';
import { shownIn } from './shown';

/** The tokens that effects are about now. */
export interface Asked {
  targetId: number | null;
  contrastId: number | null;
  named: Named | null;
}

export function useAsked(store: Store): Asked {
  const metric = store.causes.metric.value;
  const analysis = store.analysis.value;
  const named = useNamed(store, metric)?.named ?? null;
  return {
    targetId:
      idOf(metric?.target ?? null) ?? named?.target?.token ?? (analysis && predictedAt(analysis, store.target.value)),
    contrastId: metric?.contrast ? (idOf(metric.contrast) ?? named?.contrast?.token ?? null) : null,
    named,
  };
}

/** Effects, and the Lens view, follow the token as the contrast; null: none. */
function setContrast(store: Store, contrast: Rival | null): void {
  store.causes.setContrast(contrast && `#${contrast.id}`);
  store.rival.value = contrast;
}

interface VersusProps {
  store: Store;
  token: Rival;
  asked: Asked;
}

/** What a predicted token is to the question, and the button that makes it the contrast. */
export function Versus({ store, token, asked }: VersusProps) {
  const model = store.analysis.value?.meta.model;
  if (token.id === asked.targetId) return <span class="versus dim">target</span>;
  const chosen = token.id === asked.contrastId;
  if (store.recording) return <span class="versus dim">{chosen ? 'contrast' : ''}</span>;
  const text = outputText(model, token.text);
  return (
    <button
      type="button"
      tabIndex={-1}
      class={`versus quiet small${chosen ? ' warm on' : ''}`}
      data-contrast={token.id}
      aria-pressed={chosen}
      aria-label={chosen ? `contrast ✓ ${text}` : `vs ${text}`}
      title={
        chosen
          ? 'Effects are counted on the difference to it. Click to count them on the target alone'
          : `Why not ${text}? Effects are counted on the difference to it`
      }
      onClick={() => setContrast(store, chosen ? null : token)}
    >
      {chosen ? 'contrast ✓' : 'vs'}
    </button>
  );
}

/** A box for a token that is not in the list. */
export function AnyOther({ store, asked }: { store: Store; asked: Asked }) {
  const input = useRef<HTMLInputElement>(null);
  const entered = useSignal<{ text: string; times: number }>({ text: '', times: 0 });
  const { whyNot } = shownIn(store);
  const { one } = namesOf(store.analysis.value?.meta.model);
  const { text, times } = entered.value;
  const { reply, token: found } = useToken(store, times === 0 ? null : text);
  const isTarget = found !== undefined && found.token === asked.targetId;
  useEffect(() => {
    if (found && !isTarget) setContrast(store, { id: found.token, text: found.text });
  }, [store, found, times]);
  // at once, so that the next key lands in the box
  useLayoutEffect(
    () =>
      effect(() => {
        if (!whyNot.value) return;
        whyNot.value = false;
        input.current?.focus();
        input.current?.select();
      }),
    [whyNot],
  );
  const notes = reply?.state === 'known' ? reply.result.notes : [];
  return (
    <div class="any-other">
      <input
        ref={input}
        type="text"
        data-testid="why-not"
        placeholder={`any other ${one}`}
        aria-label={`Why not another ${one}?`}
        title={`Enter a ${one} and press Enter: effects are counted on the difference to it. With its leading space, where it has one; or #123 (v)`}
        spellcheck={false}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.currentTarget.value === '') return;
          event.preventDefault();
          entered.value = { text: event.currentTarget.value, times: times + 1 };
        }}
      />
      {reply?.state === 'failed' ? (
        <p class="dim" role="alert" data-testid="why-not-said">
          <bdi>{store.offline.value === null ? reply.message : OFFLINE}</bdi>
        </p>
      ) : (
        <Waiting reply={reply} what="The token" />
      )}
      {isTarget && (
        <p class="dim" role="alert" data-testid="why-not-said">
          This is the target itself.
        </p>
      )}
      {notes.map((note) => (
        <p key={note} class="dim" role="status" data-testid="why-not-note">
          <bdi>{note}</bdi>
        </p>
      ))}
    </div>
  );
}
