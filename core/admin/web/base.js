// What all pages share: requests, session and log-in, notices, and the frame of the page.
import { address, element, make, outside, setText } from './dom.js';
import { formatNumber } from './format.js';

export * from './dom.js';
export * from './format.js';
export * from './line_chart.js';

const TIMEOUT_MS = 20000;
const PAGES = [['', 'Overview'], ['live', 'Live records'], ['checklist', 'Checklist'], ['dead-letters', 'Dead letters']];

/* ---- requests ---- */

// `status` 0: no answer.
export class ApiError extends Error {
    constructor(status, message) {
        super(message);
        this.status = status;
    }
}

async function request(path, options) {
    let answer;
    try {
        answer = await fetch(address(path), { signal: AbortSignal.timeout(TIMEOUT_MS), ...options });
    } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new ApiError(0, 'fleetrouted does not answer; the page tries again');
    }
    const text = await answer.text().catch(() => '');
    let body = null;
    try {
        body = JSON.parse(text);
    } catch (error) {
        // Not JSON: an answer of a proxy, or a 404 as text.
    }
    return { status: answer.status, ok: answer.ok, body };
}

const reasonOf = (answer, path) => answer.body?.message || answer.body?.error ||
    `${path.split('?')[0]}: the server answers ${answer.status}`;

// The JSON of an answer. Throws an ApiError; after a 401 the log-in form is displayed.
export async function get(path, options) {
    const answer = await request(path, options);
    if (answer.status === 401) openLogin();
    if (!answer.ok || answer.body === null) throw new ApiError(answer.status, reasonOf(answer, path));
    return answer.body;
}

// What an act answers: {ok, message, …}. Does not throw.
export async function act(path, body) {
    try {
        const answer = await request(path, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json', 'X-Fleetroute': '1' },
            body: JSON.stringify(body || {}),
        });
        if (answer.status === 401 && path !== 'api/login') openLogin();
        return { ...answer.body, ok: answer.ok && answer.body?.ok !== false, message: reasonOf(answer, path) };
    } catch (error) {
        return { ok: false, message: error.message };
    }
}

// An act with its outcome as a notice.
export async function actAndReport(path, body) {
    const outcome = await act(path, body);
    notify(outcome.message, outcome.ok ? 'good' : 'bad');
    for (const poller of pollers) poller.run();
    return outcome;
}

/* ---- repeated requests ---- */

const pollers = new Set();

// Run task() now and every `intervalMs` (a number or a function) after its end while the page is visible. A failure
// is displayed at the top of the page until the next success. Returns {run, stop}.
export function poll(task, intervalMs) {
    const poller = { failure: '', run, stop };
    let timer = null;
    let running = false;
    let again = false;

    async function attempt() {
        try {
            await task();
            return '';
        } catch (error) {
            if (!(error instanceof ApiError)) console.error(error);
            return error.message;
        }
    }
    async function run() {
        clearTimeout(timer);
        again = running;
        if (running) return;
        running = true;
        do {
            again = false;
            poller.failure = await attempt();
        } while (again);
        running = false;
        renderFailure();
        const waits = document.hidden || !element('login').hidden;
        if (pollers.has(poller) && !waits)
            timer = setTimeout(run, typeof intervalMs === 'function' ? intervalMs() : intervalMs);
    }
    function stop() {
        clearTimeout(timer);
        pollers.delete(poller);
        renderFailure();
    }
    pollers.add(poller);
    run();
    return poller;
}

function renderFailure() {
    const failures = element('login').hidden ? [...pollers].map((p) => p.failure).filter(Boolean) : [];
    element('failure').hidden = failures.length === 0;
    setText(element('failure'), failures[0] || '');
}

document.addEventListener('visibilitychange', () => {
    if (!document.hidden) for (const poller of pollers) poller.run();
});

/* ---- session ---- */

export let session = { token_required: false, authenticated: false, acts: false, why: '', map_tiles: null };
const sessionListeners = [];

// Call listener(session) now and when the session changes.
export function onSession(listener) {
    sessionListeners.push(listener);
    listener(session);
}

async function readSession() {
    try {
        session = await get('api/session');
    } catch (error) {
        return; // the pollers of the page report that the daemon does not answer
    }
    element('logout').hidden = !(session.token_required && session.authenticated);
    for (const listener of sessionListeners) listener(session);
    if (session.token_required && !session.authenticated) openLogin();
}

// Resolves when /api/session has answered the first time.
export let sessionRead;

export function openLogin() {
    if (!element('login').hidden) return;
    element('login').hidden = false;
    element('main').hidden = true;
    element('logout').hidden = true;
    element('token').focus();
    renderFailure();
}

async function logIn(event) {
    event.preventDefault();
    const outcome = await act('api/login', { token: element('token').value });
    element('token').value = '';
    setText(element('login_problem'), outcome.ok ? '' : outcome.message);
    if (!outcome.ok) return;
    element('login').hidden = true;
    element('main').hidden = false;
    await readSession();
    for (const poller of pollers) poller.run();
    element('main').focus();
    document.dispatchEvent(new Event('login'));
}

async function logOut() {
    await act('api/logout');
    location.reload();
}

/* ---- notices and questions ---- */

// Display the outcome of an act. `level`: good, warn or bad.
export function notify(text, level = 'good') {
    const box = element('notice');
    box.replaceChildren(outside(text, 2000, true),
        make('button', { type: 'button', class: 'plain', 'aria-label': 'Close this message', onclick: () => { box.hidden = true; } }, '✕'));
    box.className = `notice ${level}`;
    box.hidden = false;
}

// Ask before an act. Resolves to false, or to true; with `input` {label, type, value} to its text.
export function confirmAct({ title, text, action, input, danger }) {
    return new Promise((resolve) => {
        const field = input && make('input', { id: 'answer', type: input.type || 'text', required: true, value: input.value ?? '', ...input.attributes });
        const form = make('form', { onsubmit: (event) => { event.preventDefault(); dialog.close('yes'); } },
            make('h2', { id: 'dialog_title' }, title),
            [text].flat().map((paragraph) => make('p', '', paragraph)),
            input && make('label', { for: 'answer' }, input.label), field,
            make('p', 'buttons',
                make('button', { type: 'button', autofocus: !input, onclick: () => dialog.close('') }, 'Cancel'),
                make('button', { class: danger ? 'danger' : 'primary' }, action)));
        const dialog = make('dialog', { 'aria-labelledby': 'dialog_title' }, form);
        dialog.addEventListener('close', () => {
            dialog.remove();
            resolve(dialog.returnValue === 'yes' ? (field ? field.value : true) : false);
        });
        document.body.append(dialog);
        dialog.showModal();
    });
}

// Copy a text to the clipboard; without TLS browsers have only the old way.
export async function copyText(text, what) {
    try {
        if (navigator.clipboard) {
            await navigator.clipboard.writeText(text);
        } else {
            const area = make('textarea', 'hidden-text', text);
            document.body.append(area);
            area.select();
            const done = document.execCommand('copy');
            area.remove();
            if (!done) throw new Error();
        }
        notify(`${what} copied`);
    } catch (error) {
        notify(`${what} not copied: the browser does not permit it`, 'bad');
    }
}

/* ---- the frame of the page ---- */

function makeLogin() {
    return make('form', { id: 'login', class: 'card', hidden: true, onsubmit: logIn },
        make('h1', '', 'Log in'),
        make('label', { for: 'token' }, 'Token (the first line of ', make('code', '', 'admin.token_file'), ')'),
        make('input', { id: 'token', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'login_problem' }),
        make('p', { id: 'login_problem', class: 'bad', role: 'alert' }),
        make('button', 'primary', 'Log in'));
}

function makeHeader(current) {
    return make('header', { id: 'top' },
        make('a', { class: 'brand', href: address('') }, 'fleetroute'),
        make('nav', { 'aria-label': 'Pages' }, PAGES.map(([path, title]) =>
            make('a', { href: address(path), 'aria-current': title === current ? 'page' : null }, title))),
        make('button', { id: 'logout', type: 'button', class: 'plain', hidden: true, onclick: logOut }, 'Log out'));
}

function makeFooter() {
    const links = [['status', 'status'], ['metrics', 'metrics'], ['readyz', 'readiness'], ['api/openapi.json', 'API']];
    return make('footer', '', make('span', { id: 'version' }, 'fleetrouted'), ' ',
        links.map(([path, title]) => [' ', make('a', { href: address(path) }, title)]));
}

// Put the header, the log-in form and the places for messages around <main>. `current`: the title in the navigation.
export function startPage(current) {
    const main = element('main');
    main.tabIndex = -1;
    main.before(make('a', { class: 'skip', href: '#main' }, 'Skip to the content'), makeHeader(current),
        make('p', { id: 'failure', class: 'notice bad', role: 'alert', hidden: true }),
        make('div', { id: 'notice', class: 'notice', role: 'status', hidden: true }), makeLogin());
    main.after(makeFooter());
    sessionRead = readSession();
}

// A sentence where a part of the page is missing: the endpoint is not there, or refuses.
export function missing(error) {
    return make('p', 'quiet', make('strong', '', 'Not available: '), outside(error.message));
}

// The message of a part that may be missing. Network failures go to the poller.
export async function partly(container, task) {
    try {
        return await task();
    } catch (error) {
        if (!(error instanceof ApiError) || error.status === 0 || error.status === 401) throw error;
        container.replaceChildren(missing(error));
        container.frRows = undefined;
        return null;
    }
}

// "1–50 of 1,234" and two buttons. Returns {node, update(offset, limit, found)}; onMove(offset) is called by them.
export function makePager(what, onMove) {
    const state = { offset: 0, limit: 1, found: 0 };
    const move = (step) => onMove(Math.max(0, state.offset + step * state.limit));
    const text = make('span', { role: 'status' });
    const back = make('button', { type: 'button', onclick: () => move(-1) }, '← Previous');
    const next = make('button', { type: 'button', onclick: () => move(1) }, 'Next →');
    const node = make('nav', { class: 'pager', 'aria-label': `Pages of ${what}` }, text, back, next);
    return {
        node,
        update(offset, limit, found) {
            Object.assign(state, { offset, limit, found });
            const end = Math.min(offset + limit, found);
            setText(text, found > limit || offset > 0 ? `${formatNumber(Math.min(offset + 1, end))}–${formatNumber(end)} of ${formatNumber(found)}` : '');
            back.disabled = offset === 0;
            next.disabled = end >= found;
            back.hidden = next.hidden = found <= limit && offset === 0;
        },
    };
}
