/** Starts the view in a page of its own: an exported file with a recording, or a notebook's output. */
import { browserHost } from './hosts/browser';
import type { Page } from './hosts/browser';
import { mount } from './mount';
import { startInNotebook } from './notebookFrame';
import { startTheme } from './hosts/pageTheme';
import './styles/main.css';
import './styles/page.css';

/** What Python fills the page with; `notebook`: it stands in an output. */
interface Filled extends Page {
  notebook?: { channel: string; words: string };
}

/** What the page was filled with; the placeholder itself is no JSON, and then there is nothing to show. */
function recording(): Filled {
  const holder = document.getElementById('lm-transparency-page');
  try {
    return JSON.parse(holder?.textContent ?? '') as Filled;
  } catch {
    return {};
  }
}

const root = document.getElementById('root');
if (root) {
  const { notebook, ...page } = recording();
  if (notebook) startInNotebook(root, page, notebook);
  else {
    startTheme();
    window.lmTransparencyPage = page;
    mount(root, browserHost());
  }
}
