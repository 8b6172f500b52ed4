/** Two buttons that give the whole panel to the graph or to the inspector, and take it back. */
import type { Arrangement, Part } from './arrangement';

const WORDS: Record<Part, string> = { graph: 'graph', inspector: 'inspector' };

export function MaximizeButtons({ arrangement }: { arrangement: Arrangement }) {
  return (
    <span class="maximize" role="group" aria-label="Room">
      <Maximize arrangement={arrangement} part="graph" />
      <Maximize arrangement={arrangement} part="inspector" />
    </span>
  );
}

function Maximize({ arrangement, part }: { arrangement: Arrangement; part: Part }) {
  const on = arrangement.maximized.value === part;
  return (
    <button
      type="button"
      tabIndex={-1}
      class={`icon${on ? ' on' : ''}`}
      data-testid={`maximize-${part}`}
      aria-pressed={on}
      aria-label={`Maximize the ${WORDS[part]}`}
      title={on ? 'Show both again (m)' : `Only the ${WORDS[part]} (m)`}
      onClick={() => arrangement.toggle(part)}
    >
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <rect class="outline" x="1.5" y="2.5" width="13" height="11" rx="1.5" />
        {part === 'graph' ? (
          <rect class="filled" x="1.5" y="2.5" width="8.5" height="11" rx="1.5" />
        ) : (
          <rect class="filled" x="10" y="2.5" width="4.5" height="11" rx="1.5" />
        )}
      </svg>
    </button>
  );
}
