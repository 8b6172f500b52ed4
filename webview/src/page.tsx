/** Starts the view in a separate page: an exported file with a recording, or a notebook's output. */
import { browserHost } from './hosts/browser';
import type { Page } from './hosts/browser';
import { mount } from './mount';
import { startInNotebook } from './notebookFrame';
import { startTheme } from './hosts/pageTheme';
import './styles/main.css';
import './styles/page.css';

/** The data that Python fills into the page; `notebook`: the page is in a notebook's output. */
interface Filled extends Page {
  notebook?: { channel: string; words: string };
}

/** Reads the page's data; the unfilled placeholder is not JSON, and then there is nothing to show. */
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
