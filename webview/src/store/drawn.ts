/** The routes of the graph and its threshold, derived from the state. */
import { computed, type ReadonlySignal } from '@preact/signals';
import type { Analysis } from '../analysis/payload';
import { USUAL_THRESHOLD, autoThreshold } from '../routes/auto';
import { computeRoutes } from '../routes/routes';
import type { RouteSource } from '../routes/routes';
import { edgesOfHead } from '../routes/headTotals';
import type { HeadRef } from '../routes/headTotals';

const LOWEST_THRESHOLD = 0.005;

/** The part of the state that it depends on; see `createStore`. */
interface Asked {
  analysis: ReadonlySignal<Analysis | null>;
  target: ReadonlySignal<number>;
  threshold: ReadonlySignal<number | 'auto'>;
  renormalize: ReadonlySignal<boolean>;
  headFilter: ReadonlySignal<HeadRef | null>;
}

export function createDrawn(asked: Asked) {
  const { analysis, target, threshold, renormalize, headFilter } = asked;

  const source = computed<RouteSource | null>(() => {
    const current = analysis.value;
    if (!current) return null;
    const { model, tokens } = current.meta;
    return {
      nLayers: model.nLayers,
      nTokens: tokens.length,
      parallel: model.parallel,
      floor: current.meta.floor,
      ...current,
    };
  });
  const auto = computed(() =>
    source.value ? autoThreshold(source.value, target.value, renormalize.value) : LOWEST_THRESHOLD,
  );
  /** Rows on the way to the target are missing, so the threshold for a readable graph is still unknown. */
  const unsettled = computed(() => {
    const rows = source.value;
    if (!rows || rows.columns.known.length === 0 || threshold.value !== 'auto') return false;
    return computeRoutes(rows, { target: target.value, threshold: auto.value, renormalize: renormalize.value }).open;
  });
  /** Nothing under the floor is known, so no threshold may lie under it. */
  const lowest = computed(() => Math.max(LOWEST_THRESHOLD, source.value?.floor ?? 0));
  const tau = computed(() =>
    unsettled.value ? USUAL_THRESHOLD : threshold.value === 'auto' ? auto.value : threshold.value,
  );
  const routes = computed(() =>
    source.value
      ? computeRoutes(source.value, { target: target.value, threshold: tau.value, renormalize: renormalize.value })
      : null,
  );
  /** Rows of the graph that is asked for are still to be computed. */
  const open = computed(() => unsettled.value || (routes.value?.open ?? false));
  const emphasis = computed(() => {
    const head = headFilter.value;
    return source.value && head ? edgesOfHead(source.value, head, tau.value, renormalize.value) : null;
  });
  return { source, lowest, tau, routes, open, emphasis };
}
