local mail = require("spec.support.bind")("mail")

describe("status_code_valid", function()
  it("takes class 2, 4 or 5 with subject and detail of one to three digits (RFC 3463, 2)", function()
    for _, code in ipairs { "2.0.0", "4.7.1", "5.7.999", "5.999.0", "5.1.10" } do
      assert.is_true(mail.status_code_valid(code), code)
    end
  end)

  it("refuses the rest", function()
    for _, code in ipairs { "", "5", "5.7", "5.7.", "5..1", ".7.1", "3.7.1", "55.7.1", "5.7.1.1", "5.7.1000", "5.07.1",
      "5.7.01", "5.7.x", "5.7.-1", " 5.7.1", "5.7.1 ", "5.7.1\0", "\0.7.1" } do
      assert.is_false(mail.status_code_valid(code), code)
    end
  end)
end)
