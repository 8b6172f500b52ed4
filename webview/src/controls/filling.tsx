/** The progress of the other tokens' graphs while the first one is already drawn. */
import { isComplete } from '../analysis/payload';
import type { Store } from '../store/state';

export function FillingIn({ store }: { store: Store }) {
  const analysis = store.analysis.value;
  if (!analysis || isComplete(analysis)) return null;
  const filling = store.filling.value;
  const [words, title] = said(store.open.value, filling);
  return (
    <span class="filling dim" role="status" data-testid="filling" data-open={store.open.value} title={title}>
      {words}
      {filling?.going && filling.fraction !== null && <progress aria-label={title} max={1} value={filling.fraction} />}
    </span>
  );
}

function said(open: boolean, filling: Store['filling']['value']): [string, string] {
  const others = 'Computing the routes into the other tokens; a token that becomes the target goes first';
  if (open && filling?.message && !filling.going) return ['incomplete', filling.message];
  if (open) return ['more to come', 'Computing the routes into this token'];
  if (filling?.going !== false) return ['others filling in', others];
  const why = filling.message === '' ? '' : `${filling.message} `;
  return ['others on demand', `${why}The routes into another token are computed when it becomes the target`];
}
