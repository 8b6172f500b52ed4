/** Starts the view in whatever holds it. */
import { browserHost } from './host.browser';
import { editorHost, inEditor } from './host.vscode';
import { mount } from './mount';
import './styles/main.css';

const root = document.getElementById('root');
if (root) mount(root, inEditor() ? editorHost() : browserHost());
