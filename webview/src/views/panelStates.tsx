/** The panel's content without a graph, and the banners over it when something is wrong. */
import type { Phase, Store } from '../store/state';
import { Bar } from '../controls/bar';
import { RefusedLens } from './refusedLens';

export function Empty({ store }: { store: Store }) {
  return (
    <div class="state">
      <Skeleton fraction={0} />
      <div class="state-text">
        <h2>No prompt analyzed yet</h2>
        <p>
          Put the cursor in a prompt and run “Analyze Prompt”: its tokens appear here, with the routes that lead to the
          next one.
        </p>
        <button type="button" class="primary" onClick={() => store.act('analyze')}>
          Analyze Prompt
        </button>
        <p class="hint">
          Then: a click or <kbd>Enter</kbd> opens a node or an edge, a double-click makes a column the target,{' '}
          <kbd>/</kbd> finds a token.
        </p>
      </div>
    </div>
  );
}

export function Restoring() {
  return (
    <div class="state" aria-busy="true">
      <Skeleton fraction={0} />
      <div class="state-text">
        <p role="status">Restoring the analysis …</p>
      </div>
    </div>
  );
}

export function Loading({ store, phase }: { store: Store; phase: Extract<Phase, { kind: 'loading' }> }) {
  const { message, fraction } = phase;
  return (
    <div class="state" aria-busy="true">
      <Skeleton fraction={fraction ?? 0} />
      <div class="state-text">
        <p role="status">{message}</p>
        <Bar label={message} fraction={fraction} />
        <button type="button" class="secondary" onClick={() => store.act('cancel')}>
          Cancel
        </button>
      </div>
    </div>
  );
}

/** Why there is no new graph; the one before stays below. */
export function TroubleBanner({ store }: { store: Store }) {
  const trouble = store.trouble.value;
  if (trouble === null) return null;
  return (
    <div class="banner trouble" role="alert" data-testid="trouble">
      <span>{[trouble.message, trouble.remedy].filter(Boolean).join(' ')}</span>
      {trouble.actions.map(({ action, label }) => (
        <button key={action} type="button" class="link" onClick={() => store.act(action)}>
          {label}
        </button>
      ))}
    </div>
  );
}

export function Failure({ store, phase }: { store: Store; phase: Extract<Phase, { kind: 'failure' }> }) {
  const { lens } = phase;
  return (
    <div class={lens === undefined ? 'state' : 'state refused'}>
      {lens === undefined && <Skeleton fraction={0} />}
      <div class="state-text" role="alert">
        <h2>{phase.message}</h2>
        {phase.remedy !== '' && <p>{phase.remedy}</p>}
        <div class="buttons">
          {phase.actions.map(({ action, label }, index) => (
            <button
              key={action}
              type="button"
              class={index === 0 ? 'primary' : 'secondary'}
              onClick={() => store.act(action)}
            >
              {label}
            </button>
          ))}
        </div>
      </div>
      {typeof lens === 'string' && (
        <div class="reading" role="status">
          {lens} …
          <Bar label={lens} fraction={null} />
        </div>
      )}
      {typeof lens === 'object' && <RefusedLens lens={lens} />}
    </div>
  );
}

/** The graph to come: a dot a node, the layers that are done a little brighter. */
function Skeleton({ fraction }: { fraction: number }) {
  return (
    <div class="skeleton" aria-hidden="true">
      <div class="dots" />
      <div class="dots lit" style={{ clipPath: `inset(${(1 - fraction) * 100}% 0 0 0)` }} />
    </div>
  );
}

/** Says that the previous graph is shown. While a prompt is typed this is quiet and not announced at each keystroke. */
export function Updating({ store }: { store: Store }) {
  const updating = store.updating.value;
  if (updating === null) return null;
  const { message, action, fraction } = updating;
  const isAsked = fraction !== undefined;
  return (
    <div
      class={`updating-mark${isAsked ? ' asked' : ''}`}
      data-testid="updating"
      {...(action ? {} : { 'aria-hidden': true })}
    >
      <span {...(isAsked && { role: 'status' })}>{message}</span>
      {isAsked && <Bar label={message} fraction={fraction} />}
      {action && (
        <button type="button" class="link" onClick={() => store.act(action.action)}>
          {action.label}
        </button>
      )}
    </div>
  );
}

/** Results stay usable while the backend is away. */
export function OfflineBanner({ store }: { store: Store }) {
  const message = store.offline.value;
  if (message === null) return null;
  return (
    <div class="banner" role="status" data-testid="offline">
      <span>
        {message || 'The backend is not running.'} What is drawn stays usable; opening anything new needs the backend.
      </span>
      <button type="button" class="link" onClick={() => store.act('restartBackend')}>
        Restart Backend
      </button>
      <button type="button" class="link" onClick={() => store.act('showLog')}>
        Show Log
      </button>
    </div>
  );
}

export function Notices({ store }: { store: Store }) {
  const notices = store.analysis.value?.meta.notices ?? [];
  if (notices.length === 0) return null;
  return (
    <div class="banner" role="note">
      {notices.join(' ')}
    </div>
  );
}
