"""The page's texts that are not from the option table, and its error pages.

The scripts of the page name them in English; `make messages` collects them from here.
"""

from __future__ import annotations

from typing import Final

from apiyi_cli.text import Text

PAGE_WORDS: Final = (
    Text("All entries, pictures and sounds of it are deleted."),
    Text("Answer"),
    Text("Any field"),
    Text("as the system"),
    Text("Batch row"),
    Text("Body"),
    Text("Cancel"),
    Text("Choose several models and send: their answers stand here side by side."),
    Text("Clear"),
    Text("Clear the history?"),
    Text("Clear {name}"),
    Text("Click a value to change it: it becomes an -O option."),
    Text("Close"),
    Text("Code"),
    Text("Colours: {name}"),
    Text("command"),
    Text("Command line"),
    Text("Commands"),
    Text("Compare"),
    Text("compare"),
    Text("Compare with"),
    Text("Copied"),
    Text("Copy"),
    Text("Copy as fixture"),
    Text("Copy the answer"),
    Text("Copy the command line"),
    Text("dark"),
    Text("Data"),
    Text("Delete"),
    Text("Difference"),
    Text("Documents, one a line"),
    Text("Done"),
    Text("done"),
    Text("Download"),
    Text("Dry run"),
    Text("Edit"),
    Text("Ended with an error"),
    Text("est. ≤ {usd}"),
    Text("Exit {code}: {name}"),
    Text("failed"),
    Text("Find a command, option, model or entry"),
    Text("function call"),
    Text("History"),
    Text("history"),
    Text("It cost {usd} the last time."),
    Text("it may have been billed"),
    Text("Its uploads were deleted: add them again."),
    Text("key {tail}"),
    Text("Keys"),
    Text("Keys are never typed into this page. In a terminal:"),
    Text("Language"),
    Text("light"),
    Text("Log"),
    Text("Matches"),
    Text("may be billed"),
    Text("Media"),
    Text("Method"),
    Text("Model"),
    Text("model"),
    Text("Model {n}"),
    Text("Models"),
    Text("More"),
    Text("No history is kept (--no-history)."),
    Text("no key: apiyi auth login"),
    Text("not for this command"),
    Text("not given"),
    Text("nothing has that name"),
    Text("nothing sent yet"),
    Text("nothing yet"),
    Text("off"),
    Text("offline sandbox"),
    Text("ok"),
    Text("Older ({n})"),
    Text("on"),
    Text("Open"),
    Text("option"),
    Text("Palette"),
    Text("Palette: commands, options, models, history"),
    Text("Path"),
    Text("Picture of the answer"),
    Text("Picture: {prompt}"),
    Text("Play from {time}"),
    Text("Press ? for the keys."),
    Text("profile"),
    Text("Program"),
    Text("Prompt"),
    Text("Query"),
    Text("Raw"),
    Text("Reasoning"),
    Text("Recordings"),
    Text("Remove {name}"),
    Text("Request"),
    Text("Response"),
    Text("Resume the video"),
    Text("Run again"),
    Text("Run it again?"),
    Text("running"),
    Text("Score"),
    Text("Search"),
    Text("Search the history"),
    Text("Send"),
    Text("Sending"),
    Text("Shell"),
    Text("Shell script"),
    Text("Similarity"),
    Text("Standard input"),
    Text("Stop"),
    Text("Stopped"),
    Text("stopped"),
    Text("stopping"),
    Text("Table"),
    Text("Text"),
    Text("The events of the answer appear here with their times."),
    Text("The gateway began its answer anew."),
    Text("The history does not have it: {why}"),
    Text("The playground has ended. Start it again in your terminal: apiyi playground"),
    Text("the profile’s model"),
    Text("The request appears here without being sent."),
    Text(
        "The video is being made, which takes minutes. "
        "Stop leaves it to the gateway: the history resumes it."
    ),
    Text("These keys"),
    Text("This browser cannot show the file."),
    Text("to do"),
    Text("today {usd}"),
    Text("today {usd} of {most}"),
    Text("try:"),
    Text("Upload a file for {name}"),
    Text("Upload recordings…"),
    Text("Upload…"),
    Text("Use {name}"),
    Text("View"),
    Text("Waiting for the first byte"),
    Text("What it cost is not known."),
    Text("What the model answers appears here, as it comes."),
    Text("What the program says beside the answer appears here."),
    Text("What was run, with what the page adds to read the output:"),
    Text("Write here, or drop files"),
    Text("{n} ms first"),
    Text("{n} numbers"),
    Text("{n} set"),
    Text("{n} tok/s"),
    Text("{n} tokens"),
    Text("{usd} each"),
)
"""In alphabetical order; a test compares them with the scripts."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>apiyi playground</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/locked.css">
</head>
<body><main>{main}</main></body>
</html>
"""

LOCKED_PAGE: Final = _PAGE.format(
    main="""<h1>This page is locked</h1>
<p>Start again from the address that <code>apiyi playground</code> printed in your terminal. It
works once: if it was used already, end the program with Ctrl-C and start it again.</p>
<div lang="zh-CN"><h1>此页面已锁定</h1>
<p>请重新打开终端里 <code>apiyi playground</code> 打印的地址。该地址只能使用一次：如果已经用过，
请按 Ctrl-C 结束程序后重新启动。</p></div>"""
).encode()
"""The page for a browser without the cookie."""

REFUSED_PAGE: Final = _PAGE.format(
    main="""<h1>Refused (%STATUS%)</h1>
<p>This server answers only the page that it served itself.</p>
<div lang="zh-CN"><p>此服务器只响应它自己提供的页面。</p></div>"""
).encode()
"""The page for every request that is not the page's own."""
