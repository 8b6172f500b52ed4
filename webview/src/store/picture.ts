/** The columns, what is drawn of the routes in them, in the ink that was chosen; and the heat on the text. */
import { computed } from '@preact/signals';
import type { ReadonlySignal } from '@preact/signals';
import type { Analysis } from '../analysis/payload';
import { effectTable } from '../effects/table';
import { effectInk } from '../groups/effectInk';
import { foldedIn } from '../groups/foldWords';
import { shownGraph } from '../groups/shown';
import type { Shown } from '../groups/shown';
import type { Ink } from '../routes/headTotals';
import type { Routes } from '../routes/routes';
import type { Causes } from './causes';
import { createColumns } from './columns';

interface Asked {
  analysis: ReadonlySignal<Analysis | null>;
  target: ReadonlySignal<number>;
  ink: ReadonlySignal<Ink>;
  routes: ReadonlySignal<Routes | null>;
  settledRoutes: ReadonlySignal<Routes | null>;
  threshold: ReadonlySignal<number | 'auto'>;
  selection: ReadonlySignal<string | null>;
  editorPosition: ReadonlySignal<number | null>;
  emphasis: ReadonlySignal<Uint8Array | null>;
  causes: Pick<Causes, 'known' | 'phase' | 'expected'>;
}

export function createPicture(asked: Asked) {
  const { analysis, target, ink, routes, settledRoutes, emphasis, causes } = asked;
  const effects = computed(() => {
    const [run, known] = [analysis.value, causes.known.value];
    return run && known?.position === target.value ? effectTable(run, known) : null;
  });
  const settledEffects = computed(() => {
    const { kind } = causes.phase.value;
    return kind === 'predicting' || kind === 'measuring' ? null : effects.value;
  });
  const all = createColumns({ ...asked, settledEffects });
  const { columns } = all;
  const byWidth = computed(() =>
    analysis.value && routes.value && columns.value
      ? shownGraph(
          analysis.value,
          routes.value,
          ink.value === 'local' ? 'local' : 'flow',
          columns.value,
          emphasis.value,
        )
      : null,
  );
  const shown = computed<Shown | null>(() => {
    const graph = byWidth.value;
    if (!graph || ink.value !== 'effect') return graph;
    const table = effects.value;
    return table ? { ...graph, effects: effectInk(graph, table) } : { ...graph, awaited: causes.expected.value };
  });
  const folded = computed(() =>
    analysis.value && settledRoutes.value && columns.value
      ? foldedIn(analysis.value, settledRoutes.value, columns.value)
      : null,
  );
  /** One number ≥ 0 a token: the mass that arrives at it or, in ink effect, its part in the sum of all effects' sizes. */
  const heatMasses = computed<number[] | null>(() => {
    const nTokens = analysis.value?.meta.tokens.length ?? 0;
    const table = ink.value === 'effect' ? effects.value : null;
    if (table) {
      const sizes = Array.from(table.tokens.value, Math.abs);
      const sum = sizes.reduce((a, b) => a + b, 0);
      return sizes.map((size) => (sum > 0 ? size / sum : 0));
    }
    // the first row of masses is the embeddings'
    return settledRoutes.value && Array.from(settledRoutes.value.mass.subarray(0, nTokens));
  });
  return { ...all, effects, shown, folded, heatMasses };
}
