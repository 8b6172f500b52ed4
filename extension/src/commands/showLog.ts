import type { App } from '../app';

/** Show Log. */
export function showLog(app: App): () => void {
  return () => app.log.show();
}
