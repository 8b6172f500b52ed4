/** Starts the view in an exported page: one file with a recording, without editor, backend or network. */
import { browserHost } from './host.browser';
import type { Page } from './host.browser';
import { mount } from './mount';
import { startTheme } from './pageTheme';
import './styles/main.css';
import './styles/page.css';

/** What the page was filled with; the placeholder itself is no JSON, and then there is nothing to show. */
function recording(): Page {
  const holder = document.getElementById('lm-transparency-page');
  try {
    return JSON.parse(holder?.textContent ?? '') as Page;
  } catch {
    return {};
  }
}

startTheme();
const root = document.getElementById('root');
if (root) {
  window.lmTransparencyPage = recording();
  mount(root, browserHost());
}
