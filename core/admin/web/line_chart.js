// Line charts over time with Chart.js, which Debian's package libjs-chart.js installs; without it, tables.
import { address, make, makeTable, setText } from './dom.js';
import { formatNumber, formatTime } from './format.js';

const TABLE_ROWS = 60;
const TICK_STEPS_S = [10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
const SERIES_COLORS = 6; // --series-1 … of base.css
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];
const DAY_MS = 86400000;
const dark = matchMedia('(prefers-color-scheme: dark)');
const charts = new Set();

/* ---- the library ---- */

const scripts = new Map();

// Load a script that sets a global name. Resolves to false if it is missing.
export function loadScript(path) {
    if (!scripts.has(path))
        scripts.set(path, new Promise((resolve) => {
            const script = make('script', { src: address(path) });
            script.onload = () => resolve(true);
            script.onerror = () => resolve(false);
            document.head.append(script);
        }));
    return scripts.get(path);
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const seriesColor = (i) => color(`--series-${(i % SERIES_COLORS) + 1}`);

dark.addEventListener('change', () => { for (const chart of charts) chart.recolor(); });

/* ---- the axis of time ---- */

// Round local times between two times, at most `max`.
function timeTicks(from, to, max) {
    const step = (TICK_STEPS_S.find((s) => (to - from) / 1000 / s <= max) || TICK_STEPS_S.at(-1)) * 1000;
    const offset = new Date(from).getTimezoneOffset() * 60000;
    const ticks = [];
    for (let t = Math.ceil((from - offset) / step) * step + offset; t <= to; t += step) ticks.push({ value: t });
    return ticks;
}

function tickText(ms, span) {
    if (span > 2 * DAY_MS) return formatTime(ms, 'date').slice(5);
    return formatTime(ms, span < 600000 ? 'time' : 'minute');
}

/* ---- the table ---- */

// One row for each time, the newest first, thinned to TABLE_ROWS.
function tableRows(series, format) {
    const times = [...new Set(series.flatMap((s) => s.points.map(([t]) => t)))].sort((a, b) => b - a);
    const values = series.map((s) => new Map(s.points));
    const step = Math.max(1, Math.ceil(times.length / TABLE_ROWS));
    return times.filter((_, i) => i % step === 0).map((t) => make('tr', '',
        make('th', { scope: 'row' }, formatTime(t)),
        values.map((v) => make('td', 'n', format(v.get(t) ?? null)))));
}

/* ---- the chart ---- */

function options(chart) {
    const text = color('--quiet');
    const grid = { color: color('--line'), drawBorder: false };
    const font = { family: 'system-ui, sans-serif', size: 11 };

    return {
        animation: false, maintainAspectRatio: false, parsing: false, normalized: true,
        interaction: { mode: 'index', intersect: false, axis: 'x' },
        layout: { padding: 0 },
        scales: {
            x: {
                type: 'linear', min: chart.from, max: chart.to, grid: { ...grid, drawOnChartArea: false },
                afterBuildTicks: (axis) => { axis.ticks = timeTicks(axis.min, axis.max, Math.max(2, axis.width / 70)); },
                ticks: { color: text, font, maxRotation: 0, callback: (ms) => tickText(ms, chart.to - chart.from) },
            },
            y: {
                beginAtZero: chart.settings.zero !== false, grace: '5%', grid,
                suggestedMax: chart.settings.suggestedMax, min: chart.settings.min, max: chart.settings.max,
                ticks: { color: text, font, maxTicksLimit: 5, callback: (v) => chart.settings.format(v) },
            },
        },
        plugins: {
            legend: { display: false },
            tooltip: {
                displayColors: true,
                callbacks: {
                    title: (items) => (items.length ? formatTime(items[0].parsed.x) : ''),
                    label: (item) => `${item.dataset.label}: ${chart.settings.format(item.parsed.y)}`,
                },
            },
        },
    };
}

// A point between two gaps has no line, so it is drawn.
const isAlone = (points, i) => points[i]?.[1] !== null && (points[i - 1]?.[1] ?? null) === null && (points[i + 1]?.[1] ?? null) === null;

function dataset(series, i) {
    return {
        label: series.name, borderColor: seriesColor(i), backgroundColor: seriesColor(i), borderWidth: 1.5,
        borderDash: DASHES[i % DASHES.length], stepped: series.stepped || false, spanGaps: false, tension: 0,
        data: series.points.map(([x, y]) => ({ x, y: y === null ? NaN : y })),
        pointRadius: (point) => (isAlone(series.points, point.dataIndex) ? 2 : 0), pointHoverRadius: 3, pointHitRadius: 8,
    };
}

// "records/s: 12 now, 3 to 40 in this time", for screen readers.
function summary(series, format) {
    return series.map((s) => {
        const values = s.points.map(([, y]) => y).filter((y) => y !== null);
        if (!values.length) return `${s.name}: no values`;
        const [min, max] = values.reduce(([a, b], y) => [Math.min(a, y), Math.max(b, y)], [Infinity, -Infinity]);
        return `${s.name}: ${format(values.at(-1))} at the end, from ${format(min)} to ${format(max)}`;
    }).join('; ');
}

// A chart with its title, a legend with the last values, and a table of the values. Settings: title, format(value)
// with the unit, and optionally zero (false: the axis need not begin at 0), min, max, suggestedMax, empty (a text).
// Returns {node, set(series, from, to), destroy()}: series is [{name, points: [[ms, value or null], …], stepped}];
// the points are in the order of time.
export function lineChart(settings) {
    const chart = { settings: { format: (v) => formatNumber(v, 2), ...settings }, series: [], from: 0, to: 1, recolor };
    const canvas = make('canvas', { role: 'img' });
    const plot = make('div', 'plot', canvas);
    const legend = make('span', 'legend');
    const note = make('p', { class: 'quiet', hidden: true });
    const body = make('div', '');
    const details = make('details', { ontoggle: renderTable }, make('summary', '', 'Table', make('span', 'hidden-text', ` of ${settings.title}`)), body);
    const node = make('figure', 'chart', make('figcaption', '', make('strong', '', settings.title), ' ', legend), plot, note, details);
    let drawn = null;
    let missingLibrary = false;

    function renderTable() {
        if (!details.open) return;
        body.replaceChildren(makeTable(`Values: ${settings.title}`,
            [{ title: 'Time' }, ...chart.series.map((s) => ({ title: s.name, className: 'n' }))],
            ...tableRows(chart.series, chart.settings.format)));
    }
    function renderLegend() {
        legend.replaceChildren(...chart.series.map((s, i) => make('span', '',
            make('span', `swatch series-${(i % SERIES_COLORS) + 1}${i % DASHES.length ? ' dashed' : ''}`), s.name, ' ',
            make('b', '', chart.settings.format(s.points.findLast(([, y]) => y !== null)?.[1] ?? null)))));
    }
    function renderNote() {
        const empty = !chart.series.some((s) => s.points.some(([, y]) => y !== null));
        plot.hidden = missingLibrary;
        note.hidden = !missingLibrary && !empty;
        setText(note, missingLibrary ? 'No chart: install the package libjs-chart.js.' : settings.empty || 'No values in this time.');
        plot.classList.toggle('empty', empty);
    }
    function draw() {
        if (!window.Chart || !node.isConnected) return;
        const config = { type: 'line', data: { datasets: chart.series.map(dataset) }, options: options(chart) };
        if (drawn === null) {
            drawn = new window.Chart(canvas, config);
        } else {
            drawn.data = config.data;
            drawn.options = config.options;
            drawn.update('none');
        }
    }
    function recolor() {
        renderLegend();
        draw();
    }
    async function set(series, from, to) {
        Object.assign(chart, { series, from, to });
        canvas.setAttribute('aria-label', `${settings.title}. ${summary(series, chart.settings.format)}`);
        renderLegend();
        renderTable();
        const present = await loadScript('lib/chart.js');
        if (!present && !missingLibrary) {
            missingLibrary = true;
            details.open = true;
        }
        renderNote();
        draw();
    }
    function destroy() {
        charts.delete(chart);
        if (drawn) drawn.destroy();
        node.remove();
    }
    charts.add(chart);
    return { node, set, destroy };
}
