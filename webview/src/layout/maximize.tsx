/** Buttons that move the inspector beside or below the graph, and give the whole panel to one of them. */
import type { Arrangement, Part } from './arrangement';

const WORDS: Record<Part, string> = { graph: 'graph', inspector: 'inspector' };

export function MaximizeButtons({ arrangement }: { arrangement: Arrangement }) {
  return (
    <span class="maximize" role="group" aria-label="Room">
      <Turn arrangement={arrangement} />
      <Maximize arrangement={arrangement} part="graph" />
      <Maximize arrangement={arrangement} part="inspector" />
    </span>
  );
}

function Turn({ arrangement }: { arrangement: Arrangement }) {
  const stacked = arrangement.isStacked.value;
  const words = `Move the inspector ${stacked ? 'beside' : 'below'} the graph`;
  return (
    <button
      type="button"
      tabIndex={-1}
      class="icon turn"
      data-testid="turn"
      aria-label={words}
      title={words}
      onClick={arrangement.turn}
    >
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
        <rect class="outline" x="1.5" y="2.5" width="13" height="11" rx="1.5" />
        <path class="outline" d={stacked ? 'M10 2.5v11' : 'M1.5 9.5h13'} />
      </svg>
    </button>
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
