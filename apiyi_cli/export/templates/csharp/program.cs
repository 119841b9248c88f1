// Needs .NET 8 or newer: the Program.cs of `dotnet new console`.
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

const string Url = __URL__;

try
{
    Console.OutputEncoding = Encoding.UTF8;
    await Run();
    return 0;
}
catch (Exception error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}

static async Task Run()
{
    var key = Environment.GetEnvironmentVariable("APIYI_API_KEY");
    if (string.IsNullOrEmpty(key)) throw new InvalidOperationException("APIYI_API_KEY is not set");
    // __REFUSAL__
    // __BODY__
    using var handler = new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
    };
    // The client's own timeout ends with the headers; the token holds for the body, too.
    using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(__TIMEOUT__));
    using var request = new HttpRequestMessage(__METHOD__, Url);
    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
    // __HEADERS__
    using var reply = await client.SendAsync(
        request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
    if (!reply.IsSuccessStatusCode)
    {
        var text = await reply.Content.ReadAsStringAsync(limit.Token);
        throw new HttpRequestException($"HTTP {(int)reply.StatusCode}: {text}");
    }
    // __ANSWER__
}
// __FUNCTIONS__
