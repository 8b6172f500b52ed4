/** The inspector of the selection. Without a selection: the target and its predictions. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { MODEL, around, detailOf, edgeName, expertOf, parseEdge, parseNode } from '../words/names';
import type { Store } from '../store/state';
import { EdgeInspector } from './edge';
import { ExpertInspector } from './expert';
import { FfnInspector } from './ffn';
import { Kind } from './kind';
import { ModelInspector } from './model';
import { NeuronInspector } from './neuron';
import { NodeInspector } from './node';
import { Pinned, PlaceContext } from './pin';
import { TargetInspector } from './target';

export function Inspector({ store }: { store: Store }) {
  const place = useRef<HTMLDivElement>(null);
  const left = useRef<number | string | null>(null);
  const name = store.selection.value;
  const pinned = store.pinned.value;

  // keeps the keyboard's place when the focused element is gone
  const held = place.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    const now = place.current;
    const detail = left.current;
    left.current = null;
    if (!held || !now || now.contains(document.activeElement)) return;
    const row = now.querySelector<HTMLElement>(
      `button[data-neuron="${detail}"], button[data-head="${detail}"], button[data-expert="${detail}"]`,
    );
    (row ?? now.querySelector<HTMLElement>('.inspector:not(.pinned) .kind button'))?.focus();
  }, [name, pinned]);

  // what is opened is read from its top; another head of an edge is further down the same table
  const subject = subjectOf(name);
  useLayoutEffect(() => {
    const side = place.current?.closest('.side');
    if (side) side.scrollTop = 0;
  }, [subject]);

  /** Escape leads from a neuron, head or expert to its block or edge, and from there to the graph. */
  const stepBack = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || name === null) return;
    event.preventDefault();
    left.current = detailOf(name) ?? expertOf(name);
    const outer = around(name);
    if (outer !== null) return store.select(outer);
    store.select(null);
    document.querySelector<HTMLElement>('.stage')?.focus();
  };

  return (
    <div ref={place} class={`inspectors${pinned === null ? '' : ' two'}`}>
      <div class="places">
        {pinned !== null && (
          <Pinned store={store} name={pinned}>
            <Inspected store={store} name={pinned} />
          </Pinned>
        )}
        <div key="current" class="inspector" data-testid="inspector" data-selection={name ?? ''} onKeyDown={stepBack}>
          <PlaceContext.Provider value={{ name, pinned: false }}>
            {pinned !== null && pinned === name ? <Awaited store={store} /> : <Inspected store={store} name={name} />}
          </PlaceContext.Provider>
        </div>
      </div>
    </div>
  );
}

/** What an inspector is of: an edge is one, whichever of its heads is chosen. */
function subjectOf(name: string | null): string | null {
  const edge = name ? parseEdge(name) : null;
  return edge ? edgeName(edge) : name;
}

function Inspected({ store, name }: { store: Store; name: string | null }) {
  if (name === MODEL) return <ModelInspector store={store} />;
  const edge = name ? parseEdge(name) : null;
  const node = edge?.kind === 'ffn' ? edge.source : name ? parseNode(name) : null;
  const neuron = name && !edge ? detailOf(name) : null;
  const expert = name && !edge ? expertOf(name) : null;
  if (node?.letter === 'M') {
    const at = { store, layer: node.layer, position: node.position };
    if (neuron !== null) return <NeuronInspector {...at} expert={expert} neuron={neuron} />;
    return expert === null ? <FfnInspector {...at} /> : <ExpertInspector {...at} expert={expert} />;
  }
  if (name && edge) return <EdgeInspector store={store} edge={edge} name={name} />;
  if (node) return <NodeInspector store={store} node={node} />;
  return <TargetInspector store={store} />;
}

/** The selection is already pinned. */
function Awaited({ store }: { store: Store }) {
  return (
    <>
      <Kind store={store}>beside the pinned one</Kind>
      <p class="hint">Select anything else to open it here, beside the pinned one.</p>
    </>
  );
}
